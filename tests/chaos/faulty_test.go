package chaos

import (
	"bytes"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"testing"
)

// faulty is an HTTP proxy that harms the requests it is told to.
type faulty struct {
	next *httputil.ReverseProxy

	mu   sync.Mutex
	harm harm
	left int
}

// harm answers instead of next, or does something with its answer. It reports
// whether the request was of a kind that it can harm.
type harm func(w http.ResponseWriter, r *http.Request, next http.Handler) bool

// newFaulty returns a proxy before the server at endpoint, and its own.
func newFaulty(t testing.TB, endpoint string) (*faulty, string) {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	silent := log.New(io.Discard, "", 0)
	f := &faulty{next: &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		Transport: &http.Transport{MaxIdleConns: 512, MaxIdleConnsPerHost: 512}, ErrorLog: silent,
	}}
	front := httptest.NewUnstartedServer(f)
	front.Config.ErrorLog = silent
	front.Start()
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	return f, front.URL
}

// arm harms the next n requests that can be harmed, until end.
func (f *faulty) arm(h harm, n int) (felt func() bool, end func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.harm, f.left = h, n
	felt = func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.left < n
	}
	end = func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.harm, f.left = nil, 0
	}
	return felt, end
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	h := f.harm
	if f.left == 0 {
		h = nil
	}
	f.mu.Unlock()
	if h == nil {
		f.next.ServeHTTP(w, r)
		return
	}
	spared := false
	defer func() { // a harm may end in a panic, which is how a reply is cut off
		f.mu.Lock()
		defer f.mu.Unlock()
		if !spared && f.left > 0 {
			f.left--
		}
	}()
	if !h(w, r, f.next) {
		spared = true
		f.next.ServeHTTP(w, r)
	}
}

// answers is a harm that never asks the server.
func answers(status int, code string) harm {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>chaos</Message></Error>")
		return true
	}
}

// full is a store that has no room for more.
func full(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
	return r.Method == http.MethodPut && answers(http.StatusInsufficientStorage, "InsufficientStorage")(w, r, next)
}

// lost has the server do what is asked, and never says so.
func lost(_ http.ResponseWriter, r *http.Request, next http.Handler) bool {
	if r.Method == http.MethodGet {
		return false
	}
	next.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler) // cuts the connection
}

// truncated cuts off the second half of a body.
func truncated(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
	if r.Method != http.MethodGet {
		return false
	}
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	body := answer.Body.Bytes()
	maps.Copy(w.Header(), answer.Header())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body[:len(body)/2])
	panic(http.ErrAbortHandler)
}

// throttled is Lambda's answer when too much runs.
func throttled(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", "TooManyRequestsException")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"Type":"User","message":"Rate Exceeded.","Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"}`)
	return true
}

// doubled has one invocation run twice at once.
func doubled(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	r.Body = io.NopCloser(bytes.NewReader(body))
	var second sync.WaitGroup
	second.Go(func() { next.ServeHTTP(httptest.NewRecorder(), again) })
	next.ServeHTTP(w, r)
	second.Wait()
	return true
}
