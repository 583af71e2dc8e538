package access_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/secret"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	ventas := access.Identity{Name: "ana", Role: access.Submitter, Mailboxes: []string{"ventas"}}
	all := access.Identity{Name: "root", Role: access.Operator, Mailboxes: []string{access.EveryMailbox}}
	tests := map[string]struct {
		who     access.Identity
		role    access.Role
		mailbox string
		want    bool
	}{
		"own role":          {ventas, access.Submitter, "ventas", true},
		"lesser role":       {ventas, access.Viewer, "ventas", true},
		"greater role":      {ventas, access.Operator, "ventas", false},
		"other mailbox":     {ventas, access.Viewer, "compras", false},
		"every mailbox":     {all, access.Operator, "compras", true},
		"nobody":            {access.Identity{}, access.Viewer, "ventas", false},
		"unknown role":      {access.Identity{Role: "admin", Mailboxes: []string{"*"}}, access.Viewer, "ventas", false},
		"unknown is needed": {all, "admin", "ventas", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.who.May(tt.role, tt.mailbox); got != tt.want {
				t.Errorf("May(%s, %s) = %v, want %v", tt.role, tt.mailbox, got, tt.want)
			}
			if err := tt.who.Require(tt.role, tt.mailbox); (err == nil) != tt.want {
				t.Errorf("Require(%s, %s) = %v", tt.role, tt.mailbox, err)
			}
		})
	}
	if err := all.Require(access.Viewer, access.EveryMailbox); err == nil {
		t.Error("the mailbox * is taken for a mailbox")
	}
}

func newTokens(t *testing.T) (*access.Tokens, jetstream.KeyValue) {
	t.Helper()
	kv, err := bustest.Start(t).KeyValue(t.Context(), bus.BucketAccess)
	if err != nil {
		t.Fatal(err)
	}
	return access.NewTokens(kv), kv
}

var settings = access.Config{Cache: time.Minute, Rate: 1000, Burst: 1000, Session: time.Hour}

func newGate(t *testing.T, tokens *access.Tokens, cfg access.Config) *access.Gate {
	t.Helper()
	g, err := access.NewGate(t.Context(), tokens, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func create(t *testing.T, tokens *access.Tokens, g access.Grant) (string, access.Record) {
	t.Helper()
	text, r, err := tokens.Create(t.Context(), g, "test")
	if err != nil {
		t.Fatal(err)
	}
	return text, r
}

var grant = access.Grant{Name: "ana", Role: access.Submitter, Mailboxes: []string{"ventas"}}

func bearing(authorization string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/v1/executions", nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return r
}

func TestTokenIsKnown(t *testing.T) {
	t.Parallel()
	tokens, kv := newTokens(t)
	text, record := create(t, tokens, grant)
	other, _ := create(t, tokens, access.Grant{Name: "bob", Role: access.Viewer, Mailboxes: []string{"*"}})
	g := newGate(t, tokens, settings)
	got, err := g.Identify(bearing("Bearer " + text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(record.Identity, got); diff != "" {
		t.Error(diff)
	}
	entry, err := kv.Get(t.Context(), record.ID)
	if err != nil {
		t.Fatal(err)
	}
	if hidden := text[strings.LastIndexByte(text, '_')+1:]; strings.Contains(string(entry.Value()), hidden) {
		t.Error("the secret is kept")
	}
	last := text[:len(text)-1] + map[bool]string{true: "b", false: "a"}[text[len(text)-1] == 'a']
	for name, tt := range map[string]struct {
		header string
		want   fault.Code
	}{
		"none":                   {"", access.CodeMissing},
		"basic":                  {"Basic " + text, access.CodeInvalid},
		"another's secret":       {"Bearer " + text[:16] + other[16:], access.CodeInvalid},
		"another's id":           {"Bearer " + other[:16] + text[16:], access.CodeInvalid},
		"one character differs":  {"Bearer " + last, access.CodeInvalid},
		"cut":                    {"Bearer " + text[:len(text)-1], access.CodeInvalid},
		"longer":                 {"Bearer " + text + "a", access.CodeInvalid},
		"id alone":               {"Bearer " + record.ID, access.CodeInvalid},
		"unknown":                {"Bearer sage_aaaaaaaaaa_" + strings.Repeat("a", 52), access.CodeInvalid},
		"a wildcard for an id":   {"Bearer sage_>_" + strings.Repeat("a", 52), access.CodeInvalid},
		"scheme without a token": {"Bearer", access.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := g.Identify(bearing(tt.header)); fault.CodeOf(err) != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestRevokedAndExpiredTokensAreRefused(t *testing.T) {
	t.Parallel()
	tokens, _ := newTokens(t)
	now := time.Now()
	expiring := grant
	expiring.Expires = now.Add(time.Hour).UTC()
	text, record := create(t, tokens, expiring)
	g := newGate(t, tokens, settings)
	g.SetClock(func() time.Time { return now })
	identify := func() fault.Code {
		_, err := g.Identify(bearing("Bearer " + text))
		if err == nil {
			return ""
		}
		return fault.CodeOf(err)
	}
	if code := identify(); code != "" {
		t.Fatal(code)
	}
	if _, err := tokens.Revoke(t.Context(), record.ID); err != nil {
		t.Fatal(err)
	}
	now = now.Add(settings.Cache - time.Second)
	if code := identify(); code != "" {
		t.Errorf("within ACCESS_CACHE: %s; the test shows no cache", code)
	}
	now = now.Add(2 * time.Second)
	if code := identify(); code != access.CodeInvalid {
		t.Errorf("after ACCESS_CACHE the revoked token gives %q", code)
	}
	again, err := tokens.Revoke(t.Context(), record.ID)
	if err != nil || again.State(now) != "revoked" {
		t.Errorf("revoked again: %+v, %v", again, err)
	}

	text, _ = create(t, tokens, expiring)
	if code := identify(); code != "" {
		t.Error(code)
	}
	now = expiring.Expires
	if code := identify(); code != access.CodeInvalid {
		t.Errorf("the expired token gives %q", code)
	}
	if _, err := tokens.Revoke(t.Context(), "nobody"); !errors.Is(err, access.ErrNone) {
		t.Errorf("revoking nobody's: %v", err)
	}
}

// Who doesn't hold the secret must not use up what its bearer may ask.
func TestRateIsPerToken(t *testing.T) {
	t.Parallel()
	tokens, _ := newTokens(t)
	text, _ := create(t, tokens, grant)
	other, _ := create(t, tokens, grant)
	cfg := settings
	cfg.Rate, cfg.Burst = 2, 3
	g := newGate(t, tokens, cfg)
	now := time.Now()
	g.SetClock(func() time.Time { return now })
	forged := text[:16] + other[16:]
	for range 10 {
		_, _ = g.Identify(bearing("Bearer " + forged))
	}
	for n := range 3 {
		if _, err := g.Identify(bearing("Bearer " + text)); err != nil {
			t.Fatalf("request %d: %v", n, err)
		}
	}
	for range 5 {
		_, err := g.Identify(bearing("Bearer " + text))
		limited, ok := errors.AsType[access.Limited](err)
		if fault.CodeOf(err) != access.CodeRate || !ok || limited.After != 500*time.Millisecond {
			t.Errorf("beyond the burst: %v, wait %s", err, limited.After)
		}
	}
	if _, err := g.Identify(bearing("Bearer " + other)); err != nil {
		t.Errorf("the other token: %v", err)
	}
	now = now.Add(500 * time.Millisecond)
	if _, err := g.Identify(bearing("Bearer " + text)); err != nil {
		t.Errorf("when it was told to ask again: %v", err)
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	tokens, _ := newTokens(t)
	text, record := create(t, tokens, grant)
	cfg := settings
	cfg.Cache = 0
	cfg.SessionKey = secret.New(strings.Repeat("k", 32))
	g := newGate(t, tokens, cfg)
	now := time.Now()
	g.SetClock(func() time.Time { return now })

	answer := httptest.NewRecorder()
	if _, err := g.SignIn(answer, bearing(""), text+"x"); fault.CodeOf(err) != access.CodeInvalid || len(answer.Result().Cookies()) > 0 {
		t.Errorf("signing in with another token: %v, %v", err, answer.Result().Cookies())
	}
	answer = httptest.NewRecorder()
	if _, err := g.SignIn(answer, bearing(""), " "+text+"\n"); err != nil {
		t.Fatal(err)
	}
	cookie := answer.Result().Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Secure || strings.Contains(cookie.Value, text[16:]) {
		t.Errorf("the cookie is %v", cookie)
	}
	with := func(value string) *http.Request {
		r := bearing("")
		r.AddCookie(&http.Cookie{Name: access.SessionCookie, Value: value})
		return r
	}
	if got, err := g.Identify(with(cookie.Value)); err != nil || got.ID != record.ID {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := newGate(t, tokens, cfg).Identify(with(cookie.Value)); err != nil {
		t.Errorf("another gate with the same key: %v", err)
	}
	stranger := cfg
	stranger.SessionKey = secret.New(strings.Repeat("s", 32))
	if _, err := newGate(t, tokens, stranger).Identify(with(cookie.Value)); fault.CodeOf(err) != access.CodeInvalid {
		t.Errorf("a gate with another key: %v", err)
	}
	_, other := create(t, tokens, grant)
	for _, forged := range []string{"", "x", "a.b.c", strings.Replace(cookie.Value, record.ID, other.ID, 1), cookie.Value[:len(cookie.Value)-2],
		strings.Replace(cookie.Value, ".1", ".9", 1)} {
		if _, err := g.Identify(with(forged)); fault.CodeOf(err) != access.CodeInvalid {
			t.Errorf("%q: %v", forged, err)
		}
	}
	now = now.Add(cfg.Session)
	if _, err := g.Identify(with(cookie.Value)); fault.CodeOf(err) != access.CodeInvalid {
		t.Errorf("when the session is over: %v", err)
	}
	now = now.Add(-cfg.Session)
	if _, err := tokens.Revoke(t.Context(), record.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Identify(with(cookie.Value)); fault.CodeOf(err) != access.CodeInvalid {
		t.Errorf("when the token is revoked: %v", err)
	}
	proxied := bearing("")
	proxied.Header.Set("X-Forwarded-Proto", "https")
	answer = httptest.NewRecorder()
	if g.SignOut(answer, proxied); answer.Result().Cookies()[0].MaxAge >= 0 || !answer.Result().Cookies()[0].Secure {
		t.Errorf("signing out sets %v", answer.Result().Cookies())
	}
}

func TestGrantsAreRefused(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]access.Grant{
		"no name":    {Role: access.Viewer, Mailboxes: []string{"a"}},
		"no role":    {Name: "a", Mailboxes: []string{"a"}},
		"no mailbox": {Name: "a", Role: access.Viewer},
		"wildcard":   {Name: "a", Role: access.Viewer, Mailboxes: []string{"a", ">"}},
		"over":       {Name: "a", Role: access.Viewer, Mailboxes: []string{"a"}, Expires: time.Now()},
	} {
		if err := g.Validate(); !fault.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNobodyCanSayWithoutTheBucket(t *testing.T) {
	t.Parallel()
	tokens, _ := newTokens(t)
	text, _ := create(t, tokens, grant)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newGate(t, tokens, settings).Identify(bearing("Bearer " + text).WithContext(ctx)); fault.CodeOf(err) != access.CodeUnavailable {
		t.Error(err)
	}
}

func TestAnyoneIsForLoopback(t *testing.T) {
	t.Parallel()
	open, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if _, err := access.NewAnyone(open, access.Identity{}); fault.CodeOf(err) != access.CodeNotLoopback {
		t.Errorf("listening to everybody: %v", err)
	}
	own, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	demo := access.Identity{Name: "demo", Role: access.Operator, Mailboxes: []string{access.EveryMailbox}}
	a, err := access.NewAnyone(own, demo)
	if err != nil {
		t.Fatal(err)
	}
	for host, let := range map[string]bool{own.Addr().String(): true, "localhost:8080": true, "[::1]:8080": true, "LOCALHOST": true,
		"attacker.example": false, "127.0.0.1.attacker.example:80": false, "10.0.0.1": false, "": false} {
		r := bearing("")
		r.Host = host
		if _, err := a.Identify(r); (err == nil) != let {
			t.Errorf("host %q: %v", host, err)
		}
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	tokens, _ := newTokens(t)
	text, record := create(t, tokens, grant)
	h := access.Handler(newGate(t, tokens, settings), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i, ok := access.From(r.Context()); !ok || i.Actor() != "ana#"+record.ID {
			t.Errorf("the context has %v, %v", i, ok)
		}
		w.WriteHeader(http.StatusNoContent)
	}), func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusUnauthorized) })
	for header, want := range map[string]int{"Bearer " + text: http.StatusNoContent, "": http.StatusUnauthorized} {
		answer := httptest.NewRecorder()
		if h.ServeHTTP(answer, bearing(header)); answer.Code != want {
			t.Errorf("%q: %d, want %d", header, answer.Code, want)
		}
	}
	if i, ok := access.From(t.Context()); ok || i.May(access.Viewer, "ventas") {
		t.Error("a context without an identity lets in")
	}
}
