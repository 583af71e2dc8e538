package storage_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// unready answers 503 until it is told otherwise.
type unready struct {
	http.Handler
	ready atomic.Bool
}

func (u *unready) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !u.ready.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	u.Handler.ServeHTTP(w, r)
}

func TestAwaitWaitsForAStoreThatComesLater(t *testing.T) {
	t.Parallel()
	server := &unready{Handler: startS3(t)}
	time.AfterFunc(500*time.Millisecond, func() { server.ready.Store(true) })
	store, err := storage.Await(t.Context(), s3URL(t, server, ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), "a", nil); err != nil {
		t.Error(err)
	}
}

func TestAwaitGivesUp(t *testing.T) {
	t.Parallel()
	if _, err := storage.Await(t.Context(), "ftp://host/dir"); !fault.IsPermanent(err) {
		t.Errorf("a URL that can't work: %v, want a permanent fault", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := storage.Await(ctx, s3URL(t, &unready{}, "")); err == nil {
		t.Error("no error when the context ended")
	}
}
