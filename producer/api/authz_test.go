package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
)

// needs is who may do what, written down apart from the routes. A route that is not
// here fails the test.
var needs = map[string]access.Role{
	"POST /v1/executions":                            access.Submitter,
	"GET /v1/executions":                             access.Viewer,
	"GET /v1/executions/{mailbox}/{id}":              access.Viewer,
	"GET /v1/executions/{mailbox}/{id}/report.html":  access.Viewer,
	"GET /v1/executions/{mailbox}/{id}/report.json":  access.Viewer,
	"GET /v1/executions/{mailbox}/{id}/files":        access.Viewer,
	"GET /v1/executions/{mailbox}/{id}/files/{name}": access.Viewer,
	"POST /v1/executions/{mailbox}/{id}/uploads":     access.Submitter,
	"POST /v1/executions/{mailbox}/{id}/redrive":     access.Operator,
	"POST /v1/executions/{mailbox}/{id}/cancel":      access.Operator,
	"GET /v1/configurations/{mailbox}":               access.Viewer,
	"GET /v1/configurations/{mailbox}/{reference}":   access.Viewer,
	"GET /openapi.json":                              "",
}

// TestWhoMayDoWhat tries every route as every role, in the token's own mailbox and
// in another's.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	tokens := map[access.Role]string{"": ""}
	for _, role := range access.Roles {
		tokens[role] = f.token(t, role, "ventas")
	}
	tried := 0
	for _, route := range api.Routes() {
		name := route.Method + " " + route.Path
		need, known := needs[name]
		if !known || need != route.Role || route.Public != (need == "") {
			t.Errorf("%s needs %q; the table says %q, %v", name, route.Role, need, known)
			continue
		}
		for role, token := range tokens {
			for _, mailbox := range []string{"ventas", "compras"} {
				path := strings.NewReplacer("{mailbox}", mailbox, "{id}", "e1", "{name}", "x", "{reference}", "x").Replace(route.Path)
				body := "{}"
				if route.Path == "/v1/executions" {
					if body = `{"mailbox":"` + mailbox + `"}`; route.Method == "GET" {
						path += "?mailbox=" + mailbox
					}
				}
				if route.Method == "GET" {
					body = ""
				}
				r := f.call(t, route.Method, path, token, strings.NewReader(body), "Content-Type", "application/json")
				tried++
				switch {
				case need == "":
					r.wants(t, http.StatusOK, "")
				case role == "":
					r.wants(t, http.StatusUnauthorized, access.CodeMissing)
				case !role.Includes(need) || mailbox != "ventas":
					r.wants(t, http.StatusForbidden, access.CodeDenied)
				case r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
					t.Errorf("%s as %s: %s %s", name, role, r.Status, r.body)
				}
			}
		}
	}
	if want := len(needs) * len(tokens) * 2; tried != want {
		t.Errorf("%d tries, want %d: a route is gone", tried, want)
	}
}

// A list without a mailbox shows those of the token, and no others.
func TestListIsOfTheTokensMailboxes(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	f.tell(t, "ventas", "v1")
	f.tell(t, "compras", "c1")
	for _, tt := range []struct {
		mailboxes []string
		query     string
		want      []string
	}{
		{[]string{"ventas"}, "", []string{"v1"}},
		{[]string{"compras", "pedidos"}, "", []string{"c1"}},
		{[]string{"pedidos"}, "", nil},
		{[]string{access.EveryMailbox}, "", []string{"v1", "c1"}},
		{[]string{access.EveryMailbox}, "?mailbox=compras&state=RUNNING&executor=worker&from=2020-01-01T00:00:00Z&prefix=c", []string{"c1"}},
		{[]string{access.EveryMailbox}, "?state=DEAD", nil},
	} {
		r := f.call(t, "GET", "/v1/executions"+tt.query, f.token(t, access.Viewer, tt.mailboxes...), nil)
		r.wants(t, http.StatusOK, "")
		for _, id := range []string{"v1", "c1"} {
			shown, want := strings.Contains(string(r.body), `"`+id+`"`), strings.Contains(strings.Join(tt.want, " "), id)
			if shown != want {
				t.Errorf("%v %s shows %s: %v, want %v: %s", tt.mailboxes, tt.query, id, shown, want, r.body)
			}
		}
	}
	token := f.token(t, access.Viewer, "ventas")
	for _, query := range []string{"limit=0", "limit=x", "limit=501", "from=today", "colour=red"} {
		f.call(t, "GET", "/v1/executions?"+query, token, nil).wants(t, http.StatusBadRequest, api.CodeQuery)
	}
	if r := f.call(t, "GET", "/v1/executions?cursor=x", token, nil); r.StatusCode != http.StatusBadRequest {
		t.Errorf("%s %s", r.Status, r.body)
	}
}
