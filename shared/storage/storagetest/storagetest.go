// Package storagetest opens a store of each kind for a test.
package storagetest

import (
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/sagefleet/sagefleet/shared/storage"
)

// Each runs test with an empty directory and with an empty bucket.
func Each(t *testing.T, test func(*testing.T, storage.Store)) {
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		test(t, Dir(t))
	})
	t.Run("S3", func(t *testing.T) {
		t.Parallel()
		test(t, S3(t))
	})
}

// Dir opens a directory of the test's own.
func Dir(t testing.TB) storage.Store {
	t.Helper()
	return open(t, "file://"+filepath.ToSlash(t.TempDir()))
}

// credentials keep the SDK from asking this machine for others.
var credentials = sync.OnceFunc(func() {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		_ = os.Setenv(name, value)
	}
})

// S3 opens a bucket of a server in this process.
func S3(t testing.TB) storage.Store {
	t.Helper()
	credentials()
	backend := s3mem.New()
	if err := backend.CreateBucket("test"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(server.Close)
	return open(t, "s3://test/prefix?path_style=true&endpoint="+url.QueryEscape(server.URL))
}

func open(t testing.TB, rawURL string) storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
