package chaos

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/sagefleet/sagefleet/tests/process"
)

// stores are where a fleet can keep its files: each returns the URL of a new,
// empty store.
var stores = map[string]func(testing.TB) string{
	"file": func(t testing.TB) string { return "file://" + t.TempDir() },
	"s3":   bucket,
}

const bucketName = "fleet"

// bucket is in an S3 server in this process.
func bucket(t testing.TB) string {
	t.Helper()
	front := httptest.NewServer(newBucket())
	t.Cleanup(front.Close)
	return bucketURL(front.URL)
}

func newBucket() http.Handler {
	backend := s3mem.New()
	if err := backend.CreateBucket(bucketName); err != nil {
		panic(err) // of an empty backend
	}
	return gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
}

func bucketURL(endpoint string) string {
	return fmt.Sprintf("s3://%s/prod?path_style=true&endpoint=%s", bucketName, url.QueryEscape(endpoint))
}

// bucketVariable names the file that a process of this binary writes its address to
// when it is to be an S3 server.
const bucketVariable = "SAGE_CHAOS_BUCKET"

// startBucket starts an S3 server in a process of its own and returns its endpoint.
func startBucket(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "address")
	process.Start(t, self, map[string]string{bucketVariable: file})
	var address []byte
	process.Eventually(t, time.Minute, "the S3 server tells its address", func() bool {
		address, err = os.ReadFile(file)
		return err == nil
	})
	return "http://" + string(address)
}

// serveBucket serves until the process is killed.
func serveBucket(file string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = os.WriteFile(file+".new", []byte(listener.Addr().String()), 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err == nil {
		err = http.Serve(listener, newBucket())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// smallDisk mounts a disk that is soon full.
func smallDisk(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount a small disk: %v: %s; root and the right to mount are needed", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("unmount %s: %v: %s", dir, err, out)
		}
	})
	return dir
}
