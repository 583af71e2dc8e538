package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// places are where a fleet can keep its files: each returns the URL of a new,
// empty store.
var places = map[string]func(testing.TB) string{
	"file": directory,
	"s3":   func(t testing.TB) string { return newBucket(t).url },
}

func directory(t testing.TB) string { return "file://" + t.TempDir() }

// bucket is an S3 server in this process that can have an outage.
type bucket struct {
	url     string
	down    atomic.Bool
	refused atomic.Int64 // requests that were answered 503
}

func newBucket(t testing.TB) *bucket {
	t.Helper()
	const name = "fleet"
	backend := s3mem.New()
	if err := backend.CreateBucket(name); err != nil {
		t.Fatal(err)
	}
	b := &bucket{}
	s3 := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.down.Load() {
			b.refused.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	b.url = fmt.Sprintf("s3://%s/prod?path_style=true&endpoint=%s", name, url.QueryEscape(front.URL))
	return b
}
