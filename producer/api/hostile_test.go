package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	psnet "github.com/shirou/gopsutil/v4/net"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// strange are names that lead elsewhere where they aren't looked at.
var strange = []string{
	"..", ".", "../x", "../../etc/passwd", "/etc/passwd", `..\x`, "%2e%2e", "%2e%2e%2fx", "..%00", "\x00", "a\nb", "a\r\nX-A: b", "*", ">", "$KV.sage_access",
	"compras.e1", "compras/e1", "ventas ", " ventas", "ventas\u00a0", "‥", "．．/x", "a\u202eb", "~", "-", strings.Repeat("a", 5000), "COM1", "a:b", "a;b", "a?b", "a#b", `"><script>`,
}

// No name in a path leads out of the mailbox, whatever it is written with; what it must
// not lead to is never in the answer.
func TestNamesLeadNowhere(t *testing.T) {
	t.Parallel()
	const secret = "hunter2 is here"
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "x"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	objects, err := storage.Open(t.Context(), "file://"+filepath.ToSlash(filepath.Join(root, "store")))
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, limits, objects)
	token := f.token(t, access.Operator, "ventas")
	for _, key := range []string{"inputs/compras/e1/request.json", "outcome/x", "x", "configurations/compras/x/1"} {
		if _, err := objects.Put(t.Context(), key, strings.NewReader(secret)); err != nil {
			t.Fatal(err)
		}
	}
	before := f.stored(t, "")
	for _, r := range api.Routes() {
		for _, field := range []string{"{mailbox}", "{id}", "{name}", "{reference}"} {
			if !strings.Contains(r.Path, field) {
				continue
			}
			for _, name := range strange {
				for _, escape := range []func(string) string{url.PathEscape, func(s string) string { return strings.ReplaceAll(url.PathEscape(s), ".", "%2e") }} {
					path := strings.Replace(r.Path, field, escape(name), 1)
					path = strings.NewReplacer("{mailbox}", "ventas", "{id}", "e1", "{name}", "data.csv", "{reference}", "x").Replace(path)
					got := f.raw(t, r.Method, path, token)
					if got.StatusCode < 300 || got.StatusCode >= 500 && got.StatusCode != http.StatusNotImplemented {
						t.Errorf("%s %s: %s %s", r.Method, path, got.Status, got.body)
					}
					if strings.Contains(string(got.body), secret) || got.Header.Get("X-A") != "" {
						t.Errorf("%s %s shows %s", r.Method, path, got.body)
					}
				}
			}
		}
	}
	if n := f.stored(t, ""); n != before {
		t.Errorf("%d objects were stored", n-before)
	}
}

// raw is a request that needn't be one of the document's.
func (f *fleet) raw(t *testing.T, method, path, token string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, f.server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque = path // as it is, dots and all
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := noRedirects.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got := reply{Response: answer}
	if got.body, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	return got
}

// isOurs reports whether a connection comes from this process, which the server under
// test is part of. Others' tests may still look for a server that had the port before.
func isOurs(t *testing.T, from net.Addr) bool {
	connections, err := psnet.ConnectionsPid("tcp", int32(os.Getpid()))
	if err != nil {
		t.Error(err)
	}
	return slices.ContainsFunc(connections, func(c psnet.ConnectionStat) bool {
		return int(c.Laddr.Port) == from.(*net.TCPAddr).Port
	})
}

// The server connects nowhere for a URI, however its address is written: a service on
// this machine, as the one that gives out a cloud's credentials is, hears nothing.
func TestURIsLeadNowhere(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Submitter, "ventas")
	var asked atomic.Int64
	inside := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	inside.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew && isOurs(t, c.RemoteAddr()) {
			asked.Add(1)
		}
	}
	inside.Start()
	defer inside.Close()
	port := inside.Listener.Addr().(*net.TCPAddr).Port
	if answer, err := http.Get(inside.URL); err != nil || asked.Swap(0) == 0 { // it would hear
		t.Fatal(answer, err)
	}
	at := func(pattern string) string { return fmt.Sprintf(pattern, port) }
	uris := []string{
		at("http://127.0.0.1:%d/latest/meta-data/"), at("https://127.0.0.1:%d/"), at("http://localhost:%d/"), at("http://2130706433:%d/"), at("http://0x7f000001:%d/"),
		at("http://0177.0.0.1:%d/"), at("http://127.1:%d/"), at("http://[::1]:%d/"), at("http://[::ffff:127.0.0.1]:%d/"), at("http://[::ffff:7f00:1]:%d/"), at("http://0:%d/"),
		at("http://user@127.0.0.1:%d/"), at("http://example.org@127.0.0.1:%d/"), at("http://127.0.0.1.nip.io:%d/"), at("HTTP://127.0.0.1:%d/"), at("//127.0.0.1:%d/"),
		at("ftp://127.0.0.1:%d/"), at("gopher://127.0.0.1:%d/_GET"), at("nats://127.0.0.1:%d"), at("s3://127.0.0.1:%d/inputs/ventas/x"),
		at("s3://bucket/inputs/ventas/x?endpoint=http://127.0.0.1:%d"), at("s3://bucket?endpoint=http://127.0.0.1:%d/inputs/ventas/"), at("file://127.0.0.1:%d/etc/passwd"),
		"http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/", "http://[fd00:ec2::254]/", "http://metadata.google.internal/",
		"file:///etc/passwd", "file:/etc/passwd", "/etc/passwd", "file://localhost/etc/passwd", "file:///proc/self/environ", "FILE:///etc/passwd", "jar:file:///x!/", "data:,id", "", " ",
		f.objects.URL() + "/../../etc/passwd", f.objects.URL() + "/inputs/ventas/..", f.objects.URL() + "/inputs/ventas/%2e%2e/compras", f.objects.URL() + "@evil/inputs/ventas/x",
	}
	for _, uri := range uris {
		text, err := json.Marshal(uri)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{
			fmt.Sprintf(`{"yaml_config":%s,"input_files":[{"uri":%s,"filename":"c.csv"}]}`, quoted(config), text),
			fmt.Sprintf(`{"yaml_config":{"uri":%s,"sha256":%q},"input_files":[{"uri":%s,"filename":"c.csv"}]}`, text, hexSum(config), text),
		} {
			if got := f.sendJSON(t, token, "/v1/executions", body); got.StatusCode != http.StatusUnprocessableEntity {
				t.Errorf("%q: %s %s", uri, got.Status, got.body)
			}
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("a service on this machine was asked %d times", n)
	}
	if n := f.waiting(t) + uint64(f.stored(t, "")); n != 0 {
		t.Errorf("%d messages and objects were left", n)
	}
}
