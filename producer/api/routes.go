package api

import (
	"net/http"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// where says which mailbox a route is about.
type where int

const (
	inPath   where = iota // {mailbox}: looked at before the handler runs
	inBody                // the handler looks itself, with [mailboxOf]
	ofCaller              // all that the caller may see
	public                // none, and nobody has to say who they are
)

// route is one operation, and who may do it.
type route struct {
	method, path string
	role         access.Role // in the mailbox
	where        where
	handle       func(*API, http.ResponseWriter, *http.Request) error
}

const execution1 = "/v1/executions/{mailbox}/{id}"

// routes is all there is. The paths name the mailbox because ids are its own.
var routes = []route{
	{"POST", "/v1/executions", access.Submitter, inBody, (*API).submit},
	{"GET", "/v1/executions", access.Viewer, ofCaller, (*API).list},
	{"GET", execution1, access.Viewer, inPath, (*API).status},
	{"GET", execution1 + "/report.html", access.Viewer, inPath, (*API).reportHTML},
	{"GET", execution1 + "/report.json", access.Viewer, inPath, (*API).reportJSON},
	{"GET", execution1 + "/files", access.Viewer, inPath, (*API).files},
	{"GET", execution1 + "/files/{name}", access.Viewer, inPath, (*API).file},
	{"POST", execution1 + "/uploads", access.Submitter, inPath, (*API).presign},
	{"POST", execution1 + "/redrive", access.Operator, inPath, (*API).redrive},
	{"POST", execution1 + "/cancel", access.Operator, inPath, (*API).cancel},
	{"GET", "/v1/configurations/{mailbox}", access.Viewer, inPath, (*API).listConfigurations},
	{"GET", "/v1/configurations/{mailbox}/{reference}", access.Viewer, inPath, (*API).configuration},
	{"GET", "/openapi.json", "", public, (*API).openapi},
}

// handler finds out who asks, whether they may, and answers with what went wrong.
func (a *API) handler(rt route) http.Handler {
	answer := func(w http.ResponseWriter, r *http.Request) {
		if err := a.serve(rt, w, r); err != nil {
			Refuse(w, r, err)
		}
	}
	if rt.where == public {
		return http.HandlerFunc(answer)
	}
	return access.Handler(a.Access, http.HandlerFunc(answer), Refuse)
}

func (a *API) serve(rt route, w http.ResponseWriter, r *http.Request) error {
	who, _ := access.From(r.Context())
	log := zerolog.Ctx(r.Context()).With().Str("who", who.Actor()).Logger()
	r = r.WithContext(log.WithContext(r.Context()))
	switch {
	case rt.where == inPath:
		if err := who.Require(rt.role, r.PathValue("mailbox")); err != nil {
			return err
		}
	case rt.where != public && !who.Role.Includes(rt.role):
		return fault.New(access.CodeDenied, "%s may not do this", who.Name).
			Expecting("a token with the role %s", rt.role).Permanent()
	}
	return rt.handle(a, w, r)
}

// mailboxOf returns the mailbox that a body names, or the caller's only one.
func mailboxOf(r *http.Request, named string) (string, error) {
	who, _ := access.From(r.Context())
	if named == "" && len(who.Mailboxes) == 1 && !who.Everywhere() {
		named = who.Mailboxes[0]
	}
	return named, who.Require(access.Submitter, named)
}

// secure keeps what is answered from being read as something else, framed, or kept.
// What is looser than this, handlers loosen.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}
