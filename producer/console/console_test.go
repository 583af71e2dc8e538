package console

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
)

// as lets everybody in as one identity.
type as access.Identity

func (a as) Identify(*http.Request) (access.Identity, error) { return access.Identity(a), nil }

var operator = as{Name: "ana", Role: access.Operator, Mailboxes: []string{access.EveryMailbox}}

// serve runs a console until the test ends.
func serve(t *testing.T, parts Parts) *httptest.Server {
	t.Helper()
	if parts.JS == nil {
		parts.JS = bustest.Start(t)
	}
	c := New(parts)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	s := httptest.NewServer(c)
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.Close()
	})
	s.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

func do(t *testing.T, s *httptest.Server, method, path string, header http.Header, form url.Values) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func TestEveryAnswerBindsTheBrowser(t *testing.T) {
	t.Parallel()
	s := serve(t, Parts{Access: operator})
	for _, path := range []string{"/", "/nowhere", "/static/console.css", "/static/none"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			answer := do(t, s, method, path, nil, nil)
			got := answer.Header.Get("Content-Security-Policy")
			if !strings.HasPrefix(got, "default-src 'none'") || strings.Contains(got, "unsafe") || strings.Contains(got, "http") {
				t.Errorf("%s %s: policy %q", method, path, got)
			}
			if answer.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: may be sniffed", method, path)
			}
		}
	}
	if got := do(t, s, http.MethodGet, "/nowhere", nil, nil).StatusCode; got != http.StatusNotFound {
		t.Errorf("an unknown page answers %d", got)
	}
}

func TestOtherSitesCanNotAct(t *testing.T) {
	t.Parallel()
	s := serve(t, Parts{Access: operator})
	form := url.Values{"theme": {"dark"}}
	for name, tt := range map[string]struct {
		header http.Header
		want   int
	}{
		"this site":      {http.Header{"Sec-Fetch-Site": {"same-origin"}}, http.StatusSeeOther},
		"another site":   {http.Header{"Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden},
		"a sister":       {http.Header{"Sec-Fetch-Site": {"same-site"}}, http.StatusForbidden},
		"another origin": {http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
	} {
		if got := do(t, s, http.MethodPost, "/preferences", tt.header, form).StatusCode; got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	s := serve(t, Parts{Access: operator})
	for back, want := range map[string]string{
		"/executions?state=DEAD": "/executions?state=DEAD", "": "/", "https://evil.example/": "/", "//evil.example": "/",
		`/\evil.example`: "/", "javascript:alert(1)": "/", "/%2f/evil.example": "/",
	} {
		answer := do(t, s, http.MethodPost, "/preferences", nil, url.Values{"language": {"es"}, "back": {back}})
		if got := answer.Header.Get("Location"); got != want {
			t.Errorf("back to %q leads to %q, want %q", back, got, want)
		}
		if len(answer.Cookies()) != 1 || !answer.Cookies()[0].HttpOnly {
			t.Errorf("cookies %v", answer.Cookies())
		}
	}
	if got := do(t, s, http.MethodPost, "/preferences", nil, url.Values{"theme": {"pink"}}).StatusCode; got != http.StatusBadRequest {
		t.Errorf("a theme that isn't one answers %d", got)
	}
	page := body(t, do(t, s, http.MethodGet, "/", http.Header{"Cookie": {"sage_language=es; sage_theme=dark"}}, nil))
	for _, want := range []string{`<html lang="es" data-theme="dark">`, "Flota"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func body(t *testing.T, answer *http.Response) string {
	t.Helper()
	var b strings.Builder
	if err := answer.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// gate lets in by the token "good" only.
func gate(t *testing.T) (*access.Gate, *access.Tokens) {
	t.Helper()
	kv, err := bustest.Start(t).KeyValue(t.Context(), bus.BucketAccess)
	if err != nil {
		t.Fatal(err)
	}
	tokens := access.NewTokens(kv)
	g, err := access.NewGate(t.Context(), tokens, access.Config{Cache: time.Second, Rate: 1000, Burst: 1000, Session: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return g, tokens
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	g, tokens := gate(t)
	token, _, err := tokens.Create(t.Context(), access.Grant{Name: "eva", Role: access.Viewer, Mailboxes: []string{"ventas"}}, "test")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, Parts{Access: g})
	answer := do(t, s, http.MethodGet, "/?a=b", nil, nil)
	if got := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || got != "/login?next=%2F%3Fa%3Db" {
		t.Fatalf("nobody gets %d %s", answer.StatusCode, got)
	}
	if got := do(t, s, http.MethodGet, "/", http.Header{"Accept": {"text/event-stream"}}, nil).StatusCode; got != http.StatusUnauthorized {
		t.Errorf("nobody's live page answers %d", got)
	}
	if got := do(t, s, http.MethodGet, "/static/console.css", nil, nil).StatusCode; got != http.StatusOK {
		t.Errorf("the style of the page to sign in answers %d", got)
	}
	if got := do(t, s, http.MethodPost, "/login", nil, url.Values{"token": {token + "x"}}); got.StatusCode != http.StatusUnauthorized || len(got.Cookies()) > 0 {
		t.Errorf("a wrong token gives %d and %v", got.StatusCode, got.Cookies())
	}
	answer = do(t, s, http.MethodPost, "/login", nil, url.Values{"token": {token}, "next": {"/?a=b"}})
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/?a=b" || len(answer.Cookies()) != 1 {
		t.Fatalf("the token gives %d, %v", answer.StatusCode, answer.Header)
	}
	session := http.Header{"Cookie": {answer.Cookies()[0].Name + "=" + answer.Cookies()[0].Value}}
	answer = do(t, s, http.MethodGet, "/", session, nil)
	if page := body(t, answer); answer.StatusCode != http.StatusOK || !strings.Contains(page, "eva") {
		t.Errorf("with a session: %d", answer.StatusCode)
	}
	answer = do(t, s, http.MethodPost, "/logout", session, nil)
	if len(answer.Cookies()) != 1 || answer.Cookies()[0].MaxAge >= 0 {
		t.Errorf("signing out sets %v", answer.Cookies())
	}
}

func TestAnyoneOnThisMachine(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	anyone, err := access.NewAnyone(l, access.Identity(operator))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, Parts{Access: anyone})
	if got := do(t, s, http.MethodGet, "/", nil, nil).StatusCode; got != http.StatusOK {
		t.Errorf("this machine gets %d", got)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a name that was made to point here gets %d", answer.StatusCode)
	}
}
