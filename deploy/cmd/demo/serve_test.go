//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServe starts the demo as README says, goes to the first address that it prints,
// and finds everything there without a login.
func TestServe(t *testing.T) {
	t.Parallel()
	site := start(t, "--serve", "--files", "4", "--rate", "0", "--dir", t.TempDir())
	for path, want := range map[string]struct{ mediaType, says string }{
		"/": {"text/html", "<html"}, "/openapi.json": {"application/json", `"openapi"`}, "/metrics": {"text/plain", "sage_build_info{"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			answer, body := ask(t, method, site+path)
			if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), want.mediaType) {
				t.Errorf("%s %s: %s, %s", method, path, answer.Status, answer.Header.Get("Content-Type"))
			}
			if !strings.Contains(answer.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s %s: no content security policy", method, path)
			}
			if method == http.MethodGet && !strings.Contains(body, want.says) || method == http.MethodHead && body != "" {
				t.Errorf("%s %s says %.200q", method, path, body)
			}
			if path == "/openapi.json" && method == http.MethodGet && !json.Valid([]byte(body)) {
				t.Errorf("%s is no JSON", path)
			}
		}
	}
	if _, page := ask(t, http.MethodGet, site+"/"); !strings.Contains(page, `id="budget"`) {
		t.Errorf("the demo shows no budget:\n%s", page)
	}
}

// start runs the demo until the test ends, and returns the first address that it prints.
func start(t *testing.T, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, "go", append([]string{"run", "."}, args...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the go command and what it runs
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	c.WaitDelay = 30 * time.Second
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	found, read := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(read)
		for lines, site := bufio.NewScanner(out), ""; lines.Scan(); {
			if at := regexp.MustCompile(`http://\S+`).FindString(lines.Text()); at != "" && site == "" {
				site = at
				found <- site
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-read
		_ = c.Wait() // it was told to stop
	})
	select {
	case site := <-found:
		return strings.TrimSuffix(site, "/")
	case <-read:
		t.Fatal("it has ended, and printed no address")
	case <-time.After(3 * time.Minute):
		t.Fatal("it prints no address")
	}
	return ""
}

func ask(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}
