package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/sagefleet/sagefleet/tests/process"
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

// diskBucket is an S3 server in a process of its own that keeps its files on the disk.
func diskBucket(t testing.TB) string {
	t.Helper()
	const name = "fleet"
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close() // free in a moment, for a program that tells no port of its own
	vars := map[string]string{"ROOT_ACCESS_KEY": process.AWSVariables["AWS_ACCESS_KEY_ID"], "ROOT_SECRET_KEY": process.AWSVariables["AWS_SECRET_ACCESS_KEY"]}
	server := process.Start(t, *versitygw, vars, "--port", address, "--region", process.AWSVariables["AWS_REGION"], "posix", dir)
	process.Eventually(t, 20*time.Second, "the S3 server listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil && server.Running()
	})
	return fmt.Sprintf("s3://%s/prod?path_style=true&endpoint=%s", name, url.QueryEscape("http://"+address))
}
