package lambdalocal

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// routeRuntime serves the Runtime API, version 2018-06-01
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
func (s *Service) routeRuntime(mux *http.ServeMux) {
	for pattern, handle := range map[string]func(*environment, http.ResponseWriter, *http.Request){
		"GET /env/{env}/2018-06-01/runtime/invocation/next":           s.handleNext,
		"POST /env/{env}/2018-06-01/runtime/invocation/{id}/response": handleResponse,
		"POST /env/{env}/2018-06-01/runtime/invocation/{id}/error":    handleError,
		"POST /env/{env}/2018-06-01/runtime/init/error":               handleError, // with no id
	} {
		mux.HandleFunc(pattern, s.inEnvironment(handle))
	}
}

// inEnvironment finds the environment that a process speaks from.
func (s *Service) inEnvironment(handle func(*environment, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		env := s.environment(r.PathValue("env"))
		if env == nil {
			refuseAnswer(w, http.StatusForbidden, "Forbidden", errors.New("no such environment"))
			return
		}
		handle(env, w, r)
	}
}

// handleNext waits with the runtime until there is work.
func (s *Service) handleNext(env *environment, w http.ResponseWriter, r *http.Request) {
	env.ready()
	select {
	case inv := <-env.work:
		env.take(inv)
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		header.Set("Lambda-Runtime-Invoked-Function-Arn", s.arn())
		header.Set("Lambda-Runtime-Trace-Id", traceID(inv))
		if decoded, err := base64.StdEncoding.DecodeString(inv.clientContext); err == nil && len(decoded) > 0 {
			header.Set("Lambda-Runtime-Client-Context", string(decoded))
		}
		w.Write(inv.payload)
	case <-env.process.exited:
	case <-r.Context().Done():
	}
}

// traceID is the caller's, or a new one that isn't sampled.
func traceID(inv *invocation) string {
	if inv.trace != "" {
		return inv.trace
	}
	random := strings.ReplaceAll(uuid.NewString(), "-", "")
	return fmt.Sprintf("Root=1-%08x-%s;Sampled=0", time.Now().Unix(), random[:24])
}

func handleResponse(env *environment, w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSyncPayload))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		tooLarge := functionError("Function.ResponseSizeTooLarge",
			"the response exceeds the maximum of %d bytes", maxSyncPayload)
		if err := env.answer(r.PathValue("id"), tooLarge); err != nil {
			refuseAnswer(w, http.StatusBadRequest, "InvalidRequestID", err)
			return
		}
		refuseAnswer(w, http.StatusRequestEntityTooLarge, tooLarge.errorType, err)
		return
	}
	if err != nil {
		return // the process is gone, and says so by its exit
	}
	res := result{payload: payload}
	if failed := trailingError(r.Trailer); failed.failed() {
		res = failed
	}
	takeAnswer(env, w, r, res)
}

// trailingError is the failure of a handler that had begun its response.
func trailingError(trailer http.Header) result {
	errorType := trailer.Get("Lambda-Runtime-Function-Error-Type")
	body, err := base64.StdEncoding.DecodeString(trailer.Get("Lambda-Runtime-Function-Error-Body"))
	if err != nil {
		body = nil
	}
	return result{errorType: errorType, payload: body}
}

// handleError takes the error of an invocation, or of the initialisation.
func handleError(env *environment, w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSyncPayload))
	if err != nil {
		refuseAnswer(w, http.StatusBadRequest, "InvalidRequest", err)
		return
	}
	var described errorPayload
	if err := json.Unmarshal(payload, &described); err != nil || described.Type == "" {
		described.Type = "Runtime.Unknown"
		if named := r.Header.Get("Lambda-Runtime-Function-Error-Type"); named != "" {
			described.Type = named
		}
	}
	takeAnswer(env, w, r, result{errorType: described.Type, payload: payload})
}

func takeAnswer(env *environment, w http.ResponseWriter, r *http.Request, res result) {
	if err := env.answer(r.PathValue("id"), res); err != nil {
		refuseAnswer(w, http.StatusBadRequest, "InvalidRequestID", err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	w.Write([]byte(`{"status":"OK"}`))
}

func refuseAnswer(w http.ResponseWriter, status int, errorType string, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(encode(errorPayload{errorType, err.Error()}))
}
