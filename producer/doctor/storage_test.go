package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/sagefleet/sagefleet/producer/doctor"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/secret"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

// bucket is the URL of a bucket whose requests pass through change first.
func bucket(t *testing.T, change func(w http.ResponseWriter, r *http.Request, next http.Handler)) string {
	t.Helper()
	storagetest.S3(t) // sets the credentials
	backend := s3mem.New()
	if err := backend.CreateBucket("test"); err != nil {
		t.Fatal(err)
	}
	next := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { change(w, r, next) }))
	t.Cleanup(s.Close)
	return "s3://test/prefix?path_style=true&region=us-east-1&endpoint=" + url.QueryEscape(s.URL)
}

func TestStorage(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	full := func(l *doctor.Limits) { l.Full = 101 }
	tests := map[string]struct {
		url, check string
		status     doctor.Status
		says       string
		limits     func(*doctor.Limits)
	}{
		"none":               {"", "storage", doctor.Fail, "no storage is named", nil},
		"nonsense":           {"ftp://x", "storage", doctor.Fail, "scheme", nil},
		"no directory":       {"file:///nowhere/at/all", "storage", doctor.Warn, "there is no directory", nil},
		"a file":             {"file://" + file, "storage", doctor.Fail, "no directory", nil},
		"low":                {p.Storage, "storage.space", doctor.Warn, "free in", func(l *doctor.Limits) { l.Low = 101 }},
		"full":               {p.Storage, "storage.space", doctor.Fail, "free in", full},
		"slow":               {p.Storage, "storage", doctor.Warn, "to create a small object", func(l *doctor.Limits) { l.Slow = 0 }},
		"nobody answers":     {"s3://test?region=us-east-1&path_style=true&endpoint=http://127.0.0.1:1", "storage", doctor.Fail, "", nil},
		"a bucket":           {bucket(t, passOn), "storage", doctor.OK, "what exists stays", nil},
		"conditions ignored": {bucket(t, forget), "storage", doctor.Fail, "created again", nil},
		"read only":          {bucket(t, refuse(http.MethodPut)), "storage", doctor.Fail, "AccessDenied", nil},
		"no deletion":        {bucket(t, refuse(http.MethodDelete)), "storage", doctor.Warn, "may not be deleted again", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := p.Fleet
			f.Storage = tt.url
			change := tt.limits
			if change == nil {
				change = func(*doctor.Limits) {}
			}
			want(t, examine(t, f, roomy(change)), tt.check, tt.status, tt.says)
		})
	}
}

func passOn(w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) }

// forget is a store that knows nothing of conditional writes, as some do.
func forget(w http.ResponseWriter, r *http.Request, next http.Handler) {
	r.Header.Del("If-None-Match")
	next.ServeHTTP(w, r)
}

func refuse(method string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != method {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<Error><Code>AccessDenied</Code><Message>no</Message></Error>"))
	}
}

// Nothing is left of what was tried.
func TestProbesAreRemoved(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	examine(t, p.Fleet)
	objects, err := storage.Open(t.Context(), p.Storage)
	if err != nil {
		t.Fatal(err)
	}
	for info, err := range objects.List(t.Context(), "") {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestLedger(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	none := p.Fleet
	none.Ledger = ledger.Config{URL: secret.New("sqlite://" + filepath.ToSlash(t.TempDir()) + "/none/ledger")}
	want(t, examine(t, none), "ledger", doctor.Warn, "there is no ledger yet")
	if there, err := none.Ledger.Exists(t.Context()); err != nil || there {
		t.Errorf("it was made: %v, %v", there, err)
	}
	broken := p.Fleet
	broken.Ledger = ledger.Config{URL: secret.New("sqlite://" + filepath.ToSlash(t.TempDir()))}
	want(t, examine(t, broken), "ledger", doctor.Fail, "open the ledger")

	for range 1200 {
		if _, err := p.js.PublishAsync(bus.SubjectEvent("ventas", "started"), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-p.js.PublishAsyncComplete():
	case <-time.After(20 * time.Second):
		t.Fatal("events are not stored")
	}
	want(t, examine(t, p.Fleet), "ledger", doctor.Warn, "1200 events behind")
	stream, err := p.js.Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, p.Fleet), "ledger", doctor.Fail, "some it will never see")
}
