package console

import (
	"net/http"
	"net/url"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// loginView is what the page to sign in shows.
type loginView struct {
	Next  string
	Fault *fault.Error // of the last try
}

// refuse answers who is nobody: browsers are led to the page where they sign in, when
// there is one, and come back.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code := fault.CodeOf(err)
	_, canSignIn := c.parts.Access.(Sessions)
	nobody := code == access.CodeMissing || code == access.CodeInvalid
	if canSignIn && nobody && !wantsStream(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		http.Redirect(w, r, "/login?"+url.Values{"next": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
		return
	}
	c.fail(w, newVisit(r), err)
}

func (c *Console) askToken(w http.ResponseWriter, r *http.Request) {
	c.write(w, newVisit(r), http.StatusOK, "login", loginView{Next: here(r.URL.Query().Get("next"))})
}

func (c *Console) signIn(sessions Sessions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next := here(r.PostFormValue("next"))
		if _, err := sessions.SignIn(w, r, r.PostFormValue("token")); err != nil {
			status, told := explain(err)
			c.write(w, newVisit(r), status, "login", loginView{next, told})
			return
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

func signOut(sessions Sessions) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sessions.SignOut(w, r)
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	}
}
