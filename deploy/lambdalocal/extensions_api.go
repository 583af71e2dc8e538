package lambdalocal

import (
	"net/http"

	"github.com/google/uuid"
)

// routeExtensions serves as much of the Extensions API, version 2020-01-01, as a
// runtime needs to hear of its end: whoever registers gets SIGTERM first
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html).
func (s *Service) routeExtensions(mux *http.ServeMux) {
	mux.HandleFunc("POST /env/{env}/2020-01-01/extension/register", s.inEnvironment(s.handleRegister))
	mux.HandleFunc("GET /env/{env}/2020-01-01/extension/event/next", s.inEnvironment(handleNoEvent))
}

func (s *Service) handleRegister(env *environment, w http.ResponseWriter, _ *http.Request) {
	env.process.wantsGrace.Store(true)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Lambda-Extension-Identifier", uuid.NewString())
	w.Write(encode(struct {
		Name    string `json:"functionName"`
		Version string `json:"functionVersion"`
		Handler string `json:"handler"`
	}{s.cfg.Function, version, "bootstrap"}))
}

// handleNoEvent waits for ever: nobody can subscribe to events here.
func handleNoEvent(env *environment, _ http.ResponseWriter, r *http.Request) {
	select {
	case <-env.process.exited:
	case <-r.Context().Done():
	}
}
