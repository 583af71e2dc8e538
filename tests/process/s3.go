package process

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// VariableS3 makes a test binary an S3 server: its TestMain calls ServeS3 with what
// the variable says, when it says something.
const VariableS3 = "TEST_S3"

// ServeS3 serves an empty bucket from memory, and writes its URL to a file.
func ServeS3(file string) error {
	backend := s3mem.New()
	if err := backend.CreateBucket("fleet"); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".draft", []byte("http://"+l.Addr().String()), 0o600); err != nil {
		return err
	}
	if err := os.Rename(file+".draft", file); err != nil {
		return err
	}
	return http.Serve(l, gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
}

// StartS3 starts this test binary as an S3 server, and returns the location of a
// store in it.
func StartS3(t testing.TB) (*Process, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "url")
	p := Start(t, self, map[string]string{VariableS3: file})
	var address []byte
	Eventually(t, 20*time.Second, "the S3 server tells its address", func() bool {
		address, err = os.ReadFile(file)
		return err == nil
	})
	return p, "s3://fleet/bench?path_style=true&endpoint=" + url.QueryEscape(string(address))
}
