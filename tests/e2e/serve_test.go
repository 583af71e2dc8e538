package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/tests/process"
)

var (
	uploadBytes = flag.Int64("upload", 24<<20, "bytes of each of the 16 files that are uploaded at once")
	versitygw   = flag.String("versitygw", "", "the program of an S3 server that keeps files on a disk, for uploads that no memory holds")
)

var address = regexp.MustCompile(`"address":"([^"]+)","[^\n]*"serving"`)

// site is a running `sage serve`.
type site struct {
	*process.Process
	url, token string
}

func (f *fleet) serve(t *testing.T, vars map[string]string) site {
	t.Helper()
	all := map[string]string{"LISTEN": "127.0.0.1:0", "LEDGER_URL": "sqlite://" + t.TempDir() + "/ledger"}
	for name, value := range vars {
		all[name] = value
	}
	s := site{Process: start(t, "sage", f.as(bus.IdentityServe, all), "serve")}
	process.Eventually(t, 20*time.Second, "it serves", func() bool {
		if !s.Running() {
			t.Fatalf("it ended:\n%s", s.Tail(4<<10))
		}
		if at := address.FindStringSubmatch(s.Tail(16 << 10)); at != nil {
			s.url = "http://" + at[1]
		}
		return s.url != ""
	})
	made := start(t, "sage", f.as(bus.IdentityAdmin, nil), "token", "create", "e2e", "--mailbox", mailbox+",ventas", "--role", "operator", "--json")
	if code := made.Exit(t, 20*time.Second); code != 0 {
		t.Fatalf("sage token create ended with %d: %s", code, made.Tail(4<<10))
	}
	var token struct{ Token string }
	text := made.Tail(4 << 10)
	if err := json.Unmarshal([]byte(text[strings.IndexByte(text, '{'):]), &token); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	s.token = token.Token
	return s
}

func (s site) do(t *testing.T, method, path, kind string, body io.Reader) (status int, answer []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if answer, err = io.ReadAll(got.Body); err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, answer
}

// submit sends a file in a form.
func (s site) submit(t *testing.T, id string, data []byte) (status int, answer []byte) {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("mailbox", mailbox)
	_ = w.WriteField("execution_id", id)
	_ = w.WriteField("configuration", string(pedidos))
	file, _ := w.CreateFormFile("file", "pedidos.csv")
	_, _ = file.Write(data)
	_ = w.Close()
	return s.do(t, "POST", "/v1/executions", w.FormDataContentType(), &form)
}

// TestServe has a file carried out by way of HTTP, with the rights of `sage serve`
// alone, and stops the server.
func TestServe(t *testing.T) {
	f := newFleet(t, directory(t), nil)
	f.startWorker(t)
	s := f.serve(t, nil)
	if status, answer := s.submit(t, "e1", orders(3, 1)); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, answer)
	}
	if o := f.outcome(t, mailbox, "e1"); o.Kind != execution.Succeeded || o.Summary.Records != 3 {
		t.Errorf("it ended %s: %+v", o.Kind, o.Summary)
	}
	path := "/v1/executions/" + mailbox + "/e1"
	for _, want := range []string{path, path + "/report.html", path + "/report.json", path + "/files/data.csv", "/", "/metrics", "/openapi.json", "/healthz", "/readyz"} {
		if status, answer := s.do(t, "GET", want, "", nil); status != http.StatusOK {
			t.Errorf("%s: %d %.300s", want, status, answer)
		}
	}
	process.Eventually(t, 10*time.Second, "the ledger lists it", func() bool {
		_, answer := s.do(t, "GET", "/v1/executions?state=SUCCEEDED", "", nil)
		return strings.Contains(string(answer), `"e1"`)
	})
	if status, answer := s.do(t, "POST", path+"/cancel", "application/json", strings.NewReader(`{}`)); status != http.StatusOK || !strings.Contains(string(answer), `"already":true`) {
		t.Errorf("%d %s", status, answer)
	}
	if answer, err := http.Get(s.url + "/metrics"); err != nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("metrics without a token: %v, %v", answer, err)
	} else {
		_ = answer.Body.Close()
	}
	s.Signal(t, syscall.SIGTERM)
	if code := s.Exit(t, 20*time.Second); code != 0 {
		t.Errorf("it ended with %d:\n%s", code, s.Tail(4<<10))
	}
}

// TestUploadsAtOnce sends 16 files at once and looks at how much memory that took: less
// than half of what they have together.
func TestUploadsAtOnce(t *testing.T) {
	for name, place := range places {
		if name == "s3" && *versitygw != "" {
			place = diskBucket
		}
		t.Run(name, func(t *testing.T) { testUploads(t, place(t)) })
	}
}

func testUploads(t *testing.T, location string) {
	const uploads, most = 16, 150 << 20 // bytes
	f := newFleet(t, location, nil)
	s := f.serve(t, nil)
	var all sync.WaitGroup
	for n := range uploads {
		all.Go(func() {
			body, out := io.Pipe()
			w := multipart.NewWriter(out)
			go func() {
				_ = w.WriteField("mailbox", mailbox)
				_ = w.WriteField("execution_id", fmt.Sprintf("e%d", n))
				_ = w.WriteField("configuration", string(pedidos))
				file, _ := w.CreateFormFile("file", "pedidos.csv")
				_, err := io.CopyN(file, endless{}, *uploadBytes)
				_ = w.Close()
				_ = out.CloseWithError(err)
			}()
			if status, answer := s.do(t, "POST", "/v1/executions", w.FormDataContentType(), body); status != http.StatusAccepted {
				t.Errorf("%d %s", status, answer)
			}
		})
	}
	all.Wait()
	peak := s.PeakSoFar()
	s.Stop(t)
	t.Logf("%d files of %d MiB at once took %d MiB of memory", uploads, *uploadBytes>>20, peak>>20)
	if peak > most {
		t.Errorf("it held %d bytes of memory, want %d at most", peak, most)
	}
}

// endless is data without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "0123456789\n"[i%11]
	}
	return len(p), nil
}

// TestSlowRequestsAreCut holds connections with a byte now and then: before the end of
// the headers, in a body, in a file, and in a form that was refused at its first part.
func TestSlowRequestsAreCut(t *testing.T) {
	f := newFleet(t, directory(t), nil)
	s := f.serve(t, map[string]string{"API_GRACE": "1s", "API_MIN_RATE": "1000000"})
	const post, part = "POST /v1/executions HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n", "--b\r\nContent-Disposition: form-data; name="
	bearer := "Authorization: Bearer " + s.token + "\r\n"
	form := post + bearer + "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
	file := part + "\"file\"; filename=\"c.csv\"\r\n\r\n"
	for name, tt := range map[string]struct{ begin, want string }{
		"headers":         {"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", ""},
		"body":            {post + bearer + "Content-Type: application/json\r\n\r\n{", "UPLOAD_TOO_SLOW"},
		"field":           {form + part + "\"mailbox\"\r\n\r\n" + mailbox, "UPLOAD_TOO_SLOW"},
		"file":            {form + part + "\"mailbox\"\r\n\r\n" + mailbox + "\r\n" + file, "UPLOAD_TOO_SLOW"},
		"refused already": {form + file, "MAILBOX_INVALID"}, // the token is good for two mailboxes, and none was named
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, tt.begin); err != nil {
				t.Fatal(err)
			}
			ended := make(chan []byte, 1)
			go func() {
				answer, _ := io.ReadAll(c)
				ended <- answer
			}()
			trickle := time.NewTicker(200 * time.Millisecond)
			defer trickle.Stop()
			for deadline := time.Now().Add(30 * time.Second); ; {
				select {
				case answer := <-ended:
					if !bytes.Contains(answer, []byte(tt.want)) {
						t.Errorf("answered %q, want %s", answer, tt.want)
					}
					return
				case <-trickle.C:
					_, _ = io.WriteString(c, " ")
				}
				if time.Now().After(deadline) {
					t.Fatal("the connection is still open")
				}
			}
		})
	}
}

// TestREADMEsRequests sends what README shows, in its order.
func TestREADMEsRequests(t *testing.T) {
	f := newFleet(t, directory(t), nil)
	f.startWorker(t)
	s := f.serve(t, nil)
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ventas.yaml"), pedidos)
	write(t, filepath.Join(dir, "ventas.csv"), orders(3, 0))
	kept := start(t, "sage", f.as(bus.IdentityOperator, nil), "config", "put", "diaria", filepath.Join(dir, "ventas.yaml"), "--mailbox", "ventas")
	if code := kept.Exit(t, 20*time.Second); code != 0 {
		t.Fatalf("sage config put ended with %d", code)
	}
	sent := 0
	for line := range strings.Lines(string(readme)) {
		command, ok := strings.CutPrefix(line, "$ curl ")
		if !ok {
			continue
		}
		sent++
		if strings.Contains(command, "report.html") {
			f.outcome(t, "ventas", "jueves")
		}
		c := exec.CommandContext(t.Context(), "sh", "-c", "curl --silent --show-error --fail-with-body "+strings.ReplaceAll(command, "http://127.0.0.1:8080", s.url))
		c.Dir, c.Env = dir, append(os.Environ(), "TOKEN="+s.token, "no_proxy=*")
		if said, err := c.CombinedOutput(); err != nil {
			t.Errorf("curl %s%s%v", command, said, err)
		}
	}
	if report, err := os.ReadFile(filepath.Join(dir, "report.html")); err != nil || sent < 6 || !bytes.Contains(report, []byte("<html")) {
		t.Errorf("%d requests left a report of %d bytes: %v", sent, len(report), err)
	}
}
