package chaos

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// stores are where a fleet can keep its files: each returns the URL of a new,
// empty store.
var stores = map[string]func(testing.TB) string{
	"file": func(t testing.TB) string { return "file://" + t.TempDir() },
	"s3":   bucket,
}

// bucket is in an S3 server in this process.
func bucket(t testing.TB) string {
	t.Helper()
	const name = "fleet"
	backend := s3mem.New()
	if err := backend.CreateBucket(name); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(front.Close)
	return fmt.Sprintf("s3://%s/prod?path_style=true&endpoint=%s", name, url.QueryEscape(front.URL))
}
