package storage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

const bucket = "test-bucket"

// startS3 starts an S3 server in this process, with an empty bucket.
func startS3(t testing.TB) http.Handler {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	return gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
}

// s3URL serves h and returns the URL of a store there.
func s3URL(t testing.TB, h http.Handler, params string) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return fmt.Sprintf("s3://%s/some/prefix?path_style=true&endpoint=%s%s",
		bucket, url.QueryEscape(server.URL), params)
}

func openS3(t *testing.T) storage.Store { return open(t, s3URL(t, startS3(t), "")) }

func TestS3(t *testing.T) { testStore(t, openS3) }

// TestS3PutMemory discards the parts at the server, which would hold them in the
// same memory.
func TestS3PutMemory(t *testing.T) {
	discard := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch {
		case r.Method == http.MethodPut:
			w.Header().Set("ETag", `"part"`)
		case r.URL.Query().Has("uploads"):
			io.WriteString(w, `<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>`)
		case r.URL.Query().Has("uploadId"):
			io.WriteString(w, `<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>`)
		default:
			io.WriteString(w, `<ListBucketResult></ListBucketResult>`)
		}
	})
	testMemory(t, open(t, s3URL(t, discard, "")), 512<<20, 128<<20)
}

// faultyS3 is an S3 server that fails as often as it is told to.
type faultyS3 struct {
	next http.Handler

	mu    sync.Mutex
	match func(*http.Request) bool
	left  int
	fail  func(w http.ResponseWriter, r *http.Request, next http.Handler)
	seen  int // matching requests
}

func (f *faultyS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	var fail func(http.ResponseWriter, *http.Request, http.Handler)
	if f.match != nil && f.match(r) {
		f.seen++
		if f.left > 0 {
			f.left--
			fail = f.fail
		}
	}
	f.mu.Unlock()
	if fail != nil {
		fail(w, r, f.next)
		return
	}
	f.next.ServeHTTP(w, r)
}

// times makes the next n requests of a method fail.
func (f *faultyS3) times(n int, method string, fail func(http.ResponseWriter, *http.Request, http.Handler)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.match = func(r *http.Request) bool { return r.Method == method }
	f.left, f.fail, f.seen = n, fail, 0
}

func (f *faultyS3) requests() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// openFaulty opens a store whose server is behind a proxy that can fail, so that
// what fails is a real connection.
func openFaulty(t *testing.T) (*faultyS3, storage.Store) {
	t.Helper()
	server := httptest.NewServer(startS3(t))
	t.Cleanup(server.Close)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	f := &faultyS3{next: &httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
	}}
	return f, open(t, s3URL(t, f, ""))
}

// replyLost has the server apply the request and cuts the connection then.
func replyLost(_ http.ResponseWriter, r *http.Request, next http.Handler) {
	next.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// answer answers in the server's place, without applying the request.
func answer(status int, code string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>injected</Message></Error>`, code)
		}
	}
}

const always = 1000

func TestS3CreateUnderFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		times    int
		fail     func(http.ResponseWriter, *http.Request, http.Handler)
		want     fault.Code // none means success
		requests int
		stored   bool
	}{
		// The SDK repeats the request and meets its own object: the caller finds
		// its own bytes on reading them.
		"reply lost":            {1, replyLost, storage.CodeExists, 2, true},
		"reply lost every time": {always, replyLost, storage.CodeUnavailable, 3, true},
		"500 once":              {1, answer(500, "InternalError"), "", 2, true},
		"503 once":              {1, answer(503, "SlowDown"), "", 2, true},
		"500 every time":        {always, answer(500, "InternalError"), storage.CodeUnavailable, 3, false},
		"503 every time":        {always, answer(503, "SlowDown"), storage.CodeUnavailable, 3, false},
		"409 once":              {1, answer(409, "ConditionalRequestConflict"), storage.CodeUnavailable, 1, false},
		"412":                   {1, answer(412, "PreconditionFailed"), storage.CodeExists, 1, false},
		"403":                   {1, answer(403, "AccessDenied"), storage.CodeDenied, 1, false},
		"507":                   {always, answer(507, "InsufficientStorage"), storage.CodeFull, 1, false},
		"bucket gone":           {1, answer(404, "NoSuchBucket"), storage.CodeMissing, 1, false},
		"other region":          {1, answer(301, "PermanentRedirect"), storage.CodeMissing, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s := openFaulty(t)
			server.times(tt.times, http.MethodPut, tt.fail)
			err := s.Create(t.Context(), "outcome", []byte("mine"))
			if tt.want == "" {
				if err != nil {
					t.Fatalf("Create = %v", err)
				}
			} else if fault.CodeOf(err) != tt.want || fault.IsPermanent(err) {
				t.Errorf("Create = %v, want a retryable %s", err, tt.want)
			}
			if errors.Is(err, storage.ErrExists) != (tt.want == storage.CodeExists) {
				t.Errorf("Create = %v, want ErrExists only with %s", err, storage.CodeExists)
			}
			if got := server.requests(); got != tt.requests {
				t.Errorf("%d requests were made, want %d", got, tt.requests)
			}
			if !tt.stored {
				if _, err := s.Get(t.Context(), "outcome"); !errors.Is(err, storage.ErrNotFound) {
					t.Errorf("Get = %v, want ErrNotFound", err)
				}
			} else if got := read(t, s, "outcome"); got != "mine" {
				t.Errorf("object is %q", got)
			}
		})
	}
}

// A failure to read is never mistaken for an object that is not there: the
// platform would do the work again.
func TestS3ReadUnderFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		code   string
		want   fault.Code
	}{
		"500":         {500, "InternalError", storage.CodeUnavailable},
		"403":         {403, "AccessDenied", storage.CodeDenied},
		"bucket gone": {404, "NoSuchBucket", storage.CodeMissing},
		"no document": {404, "", storage.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, s := openFaulty(t)
			put(t, s, "k", "x")
			server.times(always, http.MethodGet, answer(tt.status, tt.code))
			if _, err := s.Get(t.Context(), "k"); fault.CodeOf(err) != tt.want {
				t.Errorf("Get = %v, want %s", err, tt.want)
			}
			for _, err := range s.List(t.Context(), "") {
				if fault.CodeOf(err) != tt.want {
					t.Errorf("List yields %v, want %s", err, tt.want)
				}
			}
		})
	}
}

func TestS3TruncatedRead(t *testing.T) {
	t.Parallel()
	server, s := openFaulty(t)
	put(t, s, "k", strings.Repeat("x", 1<<20))
	server.times(1, http.MethodGet, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		reply := httptest.NewRecorder()
		next.ServeHTTP(reply, r)
		for name, values := range reply.Header() {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", fmt.Sprint(reply.Body.Len()))
		w.Write(reply.Body.Bytes()[:1000])
		http.NewResponseController(w).Flush() // or the SDK would still see a lost reply
		panic(http.ErrAbortHandler)
	})
	r, err := s.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n, err := io.Copy(io.Discard, r)
	if fault.CodeOf(err) != storage.CodeUnavailable {
		t.Errorf("read %d bytes of %d, %v, want %s", n, 1<<20, err, storage.CodeUnavailable)
	}
}

func TestS3Deadline(t *testing.T) {
	t.Parallel()
	server, s := openFaulty(t)
	for _, method := range []string{http.MethodPut, http.MethodGet} {
		server.times(always, method, func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var err error
		if method == http.MethodPut {
			err = s.Create(ctx, "k", []byte("x"))
		} else {
			_, err = s.Get(ctx, "k")
		}
		if !errors.Is(err, context.DeadlineExceeded) || fault.CodeOf(err) != fault.Unclassified {
			t.Errorf("%s = %v, want context.DeadlineExceeded and no code", method, err)
		}
	}
}

func TestS3ListPages(t *testing.T) {
	t.Parallel()
	server, s := openFaulty(t)
	var want []string
	for i := range 1100 {
		key := fmt.Sprintf("d/%04d", i)
		want = append(want, key)
		put(t, s, key, "")
	}
	server.times(0, http.MethodGet, nil)
	if got := list(t, s, "d/"); !slices.Equal(got, want) {
		t.Errorf("List yields %d keys, want %d in order", len(got), len(want))
	}
	if got := server.requests(); got != 2 {
		t.Errorf("List took %d requests, want 2", got)
	}
}

func TestS3Prefix(t *testing.T) {
	t.Parallel()
	h := startS3(t)
	all := open(t, strings.Replace(s3URL(t, h, ""), "/some/prefix", "", 1))
	one := open(t, s3URL(t, h, ""))
	put(t, one, "k", "x")
	put(t, all, "some/prefix2/k", "x")
	put(t, all, "some/prefixed", "x")
	if diff := cmp.Diff([]string{"k"}, list(t, one, "")); diff != "" {
		t.Errorf("List under the prefix (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"some/prefix/k", "some/prefix2/k", "some/prefixed"}, list(t, all, "")); diff != "" {
		t.Errorf("List of the bucket (-want +got):\n%s", diff)
	}
	key := strings.Repeat("a/", 510) + "a" // a good key, but for the prefix
	if err := one.Create(t.Context(), key, nil); fault.CodeOf(err) != storage.CodeKeyInvalid {
		t.Errorf("Create = %v, want %s", err, storage.CodeKeyInvalid)
	}
}

func TestS3Encryption(t *testing.T) {
	t.Parallel()
	next := startS3(t)
	const key = "arn:aws:kms:eu-central-1:111122223333:key/k"
	var checked atomic.Int64
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		starts := r.Method == http.MethodPut && !r.URL.Query().Has("partNumber") || r.URL.Query().Has("uploads")
		if starts {
			checked.Add(1)
			if got := r.Header.Get("X-Amz-Server-Side-Encryption"); got != "aws:kms" {
				t.Errorf("%s %s: encryption is %q", r.Method, r.URL, got)
			}
			if got := r.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"); got != key {
				t.Errorf("%s %s: key is %q", r.Method, r.URL, got)
			}
		}
		next.ServeHTTP(w, r)
	})
	s := open(t, s3URL(t, h, "&sse_kms_key_id="+url.QueryEscape(key)))
	if err := s.Create(t.Context(), "created", nil); err != nil {
		t.Fatal(err)
	}
	put(t, s, "small", "x")
	put(t, s, "multipart", strings.Repeat("x", 9<<20))
	if got := checked.Load(); got != 3 {
		t.Errorf("%d requests were checked, want 3", got)
	}
}

func TestS3OpenRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status int
		code   string
		want   fault.Code
	}{
		"no bucket":     {404, "NoSuchBucket", storage.CodeMissing},
		"no permission": {403, "AccessDenied", storage.CodeDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(tt.status, tt.code)(w, r, nil) })
			if _, err := storage.Open(t.Context(), s3URL(t, h, "")); fault.CodeOf(err) != tt.want {
				t.Errorf("Open = %v, want %s", err, tt.want)
			}
		})
	}
}
