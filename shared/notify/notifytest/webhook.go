package notifytest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// HookSecret is what posts to a Hook are signed with.
const HookSecret = "a-secret-of-24-bytes-or-more"

// Post is what a webhook was sent.
type Post struct {
	ID   string
	Body []byte
}

// Hook is a receiver of webhooks that checks their signatures.
type Hook struct {
	*httptest.Server
	mu       sync.Mutex
	posts    []Post
	failures int
}

// Webhook starts a receiver that lives as long as the test.
func Webhook(t testing.TB) *Hook {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhookRaw([]byte(HookSecret))
	if err != nil {
		t.Fatal(err)
	}
	h := &Hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		if err != nil || !json.Valid(body) {
			t.Errorf("posted %s: %v", body, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.posts = append(h.posts, Post{ID: r.Header.Get("Webhook-Id"), Body: body})
		if h.failures > 0 {
			h.failures--
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// Fail has the next posts answered with 503.
func (h *Hook) Fail(times int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = times
}

// Posts are all that came, those that were answered with 503 too.
func (h *Hook) Posts() []Post {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.posts)
}
