package server_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/producer/server"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

// site is a running server, as `sage serve` has it.
type site struct {
	url     string
	js      jetstream.JetStream
	objects storage.Store
	token   string // of an operator in the mailbox ventas
}

func run(t *testing.T) site {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	nats := bustest.Run(t)
	s := site{js: nats.Connect(t, "test"), objects: storagetest.Dir(t)}
	must(bus.Provision(t.Context(), s.js, nats.Config))
	kv, err := s.js.KeyValue(t.Context(), bus.BucketAccess)
	must(err)
	tokens := access.NewTokens(kv)
	s.token, _, err = tokens.Create(t.Context(), access.Grant{Name: "ana", Role: access.Operator, Mailboxes: []string{"ventas"}}, "test")
	must(err)
	gate, err := access.NewGate(t.Context(), tokens, access.Config{Cache: time.Minute, Rate: 1e6, Burst: 1e6, Session: time.Hour})
	must(err)
	history, err := ledger.Open(t.Context(), "sqlite://"+filepath.ToSlash(filepath.Join(t.TempDir(), "ledger")))
	must(err)
	limits := api.Config{MaxFile: 1 << 20, MaxUpload: 4 << 20, Uploads: 4, MinRate: 16 << 10, Grace: 30 * time.Second, Presign: time.Hour}
	served, err := server.Open(t.Context(), server.Parts{JS: s.js, Objects: s.objects, Fleet: nats.Config, StateTTL: time.Hour, Ledger: history, Access: gate,
		Monitor: telemetry.New("serve", telemetry.Config{Mailboxes: 5})}, server.Config{Drain: time.Second}, limits)
	must(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	s.url = "http://" + l.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- served.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = history.Close()
	})
	return s
}

var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// do is one request. header has names and values in turn.
func (s site) do(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// operations are what the server's own document says there is, with names filled in.
func (s site) operations(t *testing.T) (all [][2]string) {
	t.Helper()
	_, text := s.do(t, "GET", "/openapi.json", "")
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	names := strings.NewReplacer("{mailbox}", "ventas", "{id}", "e1", "{name}", "report.html", "{reference}", "diaria")
	for path, operations := range document.Paths {
		for method := range operations {
			if method != "parameters" && path != "/openapi.json" {
				all = append(all, [2]string{strings.ToUpper(method), names.Replace(path)})
			}
		}
	}
	if len(all) < 10 {
		t.Fatalf("the document has %d operations", len(all))
	}
	return all
}

// signIn begins a session, as a browser would.
func (s site) signIn(t *testing.T) (cookie string) {
	t.Helper()
	answer, text := s.do(t, "POST", "/login", url.Values{"token": {s.token}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
	for _, c := range answer.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
			t.Errorf("the cookie %s may be read by scripts, or sent for other sites: %v", c.Name, c)
		}
		cookie += c.Name + "=" + c.Value + "; "
	}
	if cookie == "" {
		t.Fatalf("%s %.300s", answer.Status, text)
	}
	return cookie
}

// pages are those of the console, with what acts.
var pages = [][2]string{{"GET", "/"}, {"GET", "/executions"}, {"GET", "/executions/ventas/e1"}, {"GET", "/dead"}, {"GET", "/metrics"}}

func TestNobodyIsLetInWithoutAToken(t *testing.T) {
	t.Parallel()
	s := run(t)
	for _, op := range append(s.operations(t), pages...) {
		for _, bearer := range []string{"", "Bearer x", "Bearer sage_aaaaaaaaaa_" + strings.Repeat("a", 52), "Basic YTpi"} {
			answer, text := s.do(t, op[0], op[1], "", "Authorization", bearer)
			toLogin := answer.StatusCode == http.StatusSeeOther && strings.HasPrefix(answer.Header.Get("Location"), "/login")
			if answer.StatusCode != http.StatusUnauthorized && !toLogin {
				t.Errorf("%s %s with %.20q: %s %.100s", op[0], op[1], bearer, answer.Status, text)
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/login"} {
		if answer, text := s.do(t, "GET", path, ""); answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %.100s", path, answer.Status, text)
		}
	}
}

// A page of another site can have a browser send requests with the session's cookie;
// none of them does anything.
func TestOtherSitesCanNotAct(t *testing.T) {
	t.Parallel()
	s := run(t)
	cookie := s.signIn(t)
	acts := 0
	for _, op := range s.operations(t) {
		if op[0] == "GET" {
			continue
		}
		acts++
		for _, kind := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded"} {
			for _, from := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
				if answer, text := s.do(t, op[0], op[1], "{}", "Cookie", cookie, "Content-Type", kind, from[0], from[1]); answer.StatusCode != http.StatusForbidden {
					t.Errorf("%s %s from %v: %s %.100s", op[0], op[1], from, answer.Status, text)
				}
			}
		}
		answer, _ := s.do(t, op[0], op[1], "{}", "Cookie", cookie, "Content-Type", "application/json", "Sec-Fetch-Site", "same-origin")
		if answer.StatusCode == http.StatusForbidden || answer.StatusCode == http.StatusUnauthorized {
			t.Errorf("%s %s from this site: %s", op[0], op[1], answer.Status)
		}
	}
	if acts < 4 {
		t.Errorf("only %d operations act", acts)
	}
}

// What senders wrote is shown to browsers so that it can run nothing, read nothing and
// be taken for nothing else.
func TestReportsAreShutIn(t *testing.T) {
	t.Parallel()
	s := run(t)
	const evil = `<script>fetch("/v1/executions")</script><img src=x onerror=alert(1)><form action="/v1/executions" method=post>`
	k := execution.Key{Mailbox: "ventas", ID: "e1", Generation: 1}
	in, err := producer.New(s.js, s.objects).Upload(t.Context(), k.Mailbox, k.ID, "data.html", strings.NewReader(evil))
	if err != nil {
		t.Fatal(err)
	}
	o := execution.Outcome{Key: k, Kind: execution.Succeeded, Attempt: execution.NewAttemptID(1), Number: 1, Executor: execution.OnWorker,
		RequestDigest: strings.Repeat("0", 64), Finished: time.Now(), Inputs: []execution.File{{Name: "data.html", Size: *in.Size, SHA256: in.SHA256, Source: in.URI}}}
	files := []outcome.Data{{Name: "report.html", Bytes: []byte(evil)}, {Name: "report.json", Bytes: []byte(`{"x":"` + `<script>` + `"}`)}, {Name: "output.log", Bytes: []byte(evil)}, {Name: "x.svg", Bytes: []byte(evil)}}
	if _, err := outcome.New(s.objects).Commit(t.Context(), o, files); err != nil {
		t.Fatal(err)
	}
	for path, inline := range map[string]bool{"/report.html": true, "/report.json": true, "/files/report.html": false, "/files/output.log": false, "/files/x.svg": false, "/files/data.html": false} {
		answer, text := s.do(t, "GET", "/v1/executions/ventas/e1"+path, "", "Authorization", "Bearer "+s.token)
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", path, answer.Status, text)
			continue
		}
		h := answer.Header
		policy := h.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src") || strings.Contains(policy, "allow-") {
			t.Errorf("%s: policy %q", path, policy)
		}
		if path == "/report.html" && !strings.HasPrefix(policy, "sandbox;") {
			t.Errorf("%s: policy %q has no sandbox", path, policy)
		}
		if !inline && !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s is shown: %q", path, h.Get("Content-Disposition"))
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, h)
		}
	}
	// The console frames the report; it holds none of it.
	if answer, text := s.do(t, "GET", "/executions/ventas/e1", "", "Cookie", s.signIn(t)); answer.StatusCode != http.StatusOK || strings.Contains(text, "onerror") {
		t.Errorf("%s: the page holds what a sender wrote", answer.Status)
	}
}

// Headers are read up to a bound, whoever sends them.
func TestLargeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	s := run(t)
	for name, send := range map[string]func() *http.Response{
		"header": func() *http.Response {
			a, _ := s.do(t, "GET", "/healthz", "", "X-A", strings.Repeat("a", 1<<17))
			return a
		},
		"path": func() *http.Response { a, _ := s.do(t, "GET", "/"+strings.Repeat("a", 1<<17), ""); return a },
		"token": func() *http.Response {
			a, _ := s.do(t, "GET", "/v1/executions", "", "Authorization", "Bearer "+strings.Repeat("a", 1<<17))
			return a
		},
	} {
		if answer := send(); answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %s", name, answer.Status)
		}
	}
}
