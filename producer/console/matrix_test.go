package console

import (
	"bytes"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

// needs is which role each route asks for. What isn't scoped is for whoever has the
// role anywhere: it shows what is in their mailboxes.
var needs = map[string]struct {
	role   access.Role
	scoped bool // to the mailbox
}{
	"GET /{$}":                                    {access.Viewer, false},
	"GET /executions":                             {access.Viewer, false},
	"GET /executions/{mailbox}/{id}":              {access.Viewer, true},
	"GET /executions/{mailbox}/{id}/report":       {access.Viewer, true},
	"GET /executions/{mailbox}/{id}/files/{name}": {access.Viewer, true},
	"POST /executions/{mailbox}/{id}/redrive":     {access.Operator, true},
	"POST /executions/{mailbox}/{id}/cancel":      {access.Operator, true},
	"GET /dead":                                   {access.Viewer, false},
	"GET /dead/export":                            {access.Viewer, true},
	"POST /dead/redrive":                          {access.Operator, true},
	"GET /plan":                                   {access.Viewer, false},
	"GET /submit":                                 {access.Submitter, false},
	"POST /submit":                                {access.Submitter, true},
	"/":                                           {access.Viewer, false},
}

// header is an Identifier that believes what a request says.
type header struct{}

func (header) Identify(r *http.Request) (access.Identity, error) {
	role := access.Role(r.Header.Get("Role"))
	if role == "" {
		return access.Identity{}, fault.New(access.CodeMissing, "nobody")
	}
	return access.Identity{Name: "eva", Role: role, Mailboxes: []string{"ventas"}}, nil
}

// Every role is tried on every route, in a mailbox of its own and in another's. A
// route that isn't in the table fails.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	js, objects := bustest.Start(t), storagetest.Dir(t)
	c := New(Parts{Access: header{}, JS: js, Objects: objects, Ledger: history(t, time.Now()), Plan: answers,
		Submit: api.New(api.Fleet{JS: js, Objects: objects}, api.Config{MaxFile: 1000, MaxUpload: 10_000, Uploads: 2, MinRate: 1, Grace: 1e9})})
	tried := 0
	for _, r := range c.guarded() {
		need, ok := needs[r.pattern]
		if !ok {
			t.Errorf("%s is not in the table", r.pattern)
			continue
		}
		for _, mailbox := range []string{"ventas", "compras"} {
			for _, role := range append([]access.Role{""}, access.Roles...) {
				got := ask(t, c, r.pattern, mailbox, role)
				want := "in"
				switch {
				case role == "":
					want = "nobody"
				case !role.Includes(need.role), need.scoped && mailbox != "ventas":
					want = "out"
				}
				if got != want {
					t.Errorf("%s as %q in %s: %s, want %s", r.pattern, role, mailbox, got, want)
				}
				tried++
			}
		}
	}
	if tried < 8*len(needs) {
		t.Errorf("%d tried, want 8 of each of %d routes", tried, len(needs))
	}
}

// ask says how far somebody comes.
func ask(t *testing.T, c *Console, pattern, mailbox string, role access.Role) string {
	t.Helper()
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = http.MethodGet, "/nowhere"
	}
	path = strings.NewReplacer("{$}", "", "{mailbox}", mailbox, "{id}", "e1", "{name}", "report.html").Replace(path)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	kind := form.FormDataContentType()
	if pattern == "POST /submit" {
		err := errors.Join(form.WriteField("mailbox", mailbox), form.WriteField("configuration", "x: ["), form.Close())
		if err != nil {
			t.Fatal(err)
		}
	} else {
		kind = "application/x-www-form-urlencoded"
		fmt.Fprintf(&body, "mailbox=%s&code=X", mailbox)
		if method == http.MethodGet {
			path += "?" + body.String()
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, &body)
	r.Header.Set("Content-Type", kind)
	if role != "" {
		r.Header.Set("Role", string(role))
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	switch {
	case w.Code == http.StatusUnauthorized:
		return "nobody"
	case w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), string(access.CodeDenied)):
		return "out"
	case w.Code >= 500:
		return w.Body.String()
	}
	return "in"
}
