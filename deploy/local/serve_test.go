package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/deploy/local"
)

// TestServeNeedsNoLogin: whoever is on this machine sees the console, the API's
// description, metrics and health, with no token.
func TestServeNeedsNoLogin(t *testing.T) {
	t.Parallel()
	pages := map[string]struct{ mediaType, says string }{
		"/":             {"text/html", "<html"},
		"/openapi.json": {"application/json", `"openapi"`},
		"/metrics":      {"text/plain", "sage_build_info{"},
		"/healthz":      {"text/plain", "ok"},
		"/readyz":       {"text/plain", "ready"},
	}
	serve(t, func(url string) {
		for path, want := range pages {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				status, header, body := ask(t, method, url+path)
				if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), want.mediaType) {
					t.Errorf("%s %s: %d, %q, want 200, %s", method, path, status, header.Get("Content-Type"), want.mediaType)
				}
				if method == http.MethodGet && !bytes.Contains(body, []byte(want.says)) {
					t.Errorf("%s says %.200q, want %q in it", path, body, want.says)
				}
				if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
					t.Errorf("%s %s: its content security policy is %q", method, path, policy)
				}
			}
		}
		if _, _, body := ask(t, http.MethodGet, url+"/openapi.json"); !json.Valid(body) {
			t.Errorf("/openapi.json is no JSON: %.200q", body)
		}
	})
}

// serve shows look what a platform of one idle worker serves.
func serve(t *testing.T, look func(url string)) {
	t.Helper()
	err := local.Run(t.Context(), local.Config{Dir: t.TempDir(), Workers: 1}, func(ctx context.Context, p *local.Platform) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		serving, stop := context.WithCancel(ctx)
		served := make(chan error, 1)
		go func() { served <- p.Serve(serving, l) }()
		look("http://" + l.Addr().String())
		stop()
		return <-served
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ask fails the test without ending it, since serve has to stop the server.
func ask(t *testing.T, method, url string) (int, http.Header, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		t.Error(err)
	}
	return response.StatusCode, response.Header, body
}
