package remote_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"go.uber.org/goleak"

	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

// TestMain makes this binary the bootstrap of the Lambda that it tests with.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.Start(obey)
		return
	}
	// A server lingers half a second over a body that it didn't read.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// obey does what the configuration's text says, and commits to a directory that
// the test reads.
func obey(_ context.Context, inv execution.Invocation) (execution.Reply, error) {
	committed := execution.Reply{StatusCode: 200, Body: "Processing completed successfully"}
	switch inv.Config.Text {
	case "commit":
		return committed, commit(inv)
	case "commit late":
		time.Sleep(700 * time.Millisecond)
		return committed, commit(inv)
	case "commit, then crash":
		if err := commit(inv); err != nil {
			return execution.Reply{}, err
		}
		os.Exit(1)
	case "crash":
		os.Exit(1)
	case "panic":
		panic("index out of range")
	case "error":
		return execution.Reply{}, errors.New("no such bucket")
	case "sleep":
		time.Sleep(time.Minute)
	case "claim":
		return committed, nil
	case "busy":
		return execution.Reply{StatusCode: 409, Body: "Execution already in progress"}, nil
	case "refuse":
		return execution.Reply{StatusCode: 400, Body: "another content [CONFLICT]"}, nil
	case "unknown version":
		return execution.Reply{StatusCode: 501, Body: "a request of version 2 [FORMAT_VERSION]"}, nil
	case "fail":
		return execution.Reply{StatusCode: 500, Body: "out of time [LAMBDA_OUT_OF_TIME]"}, nil
	}
	return execution.Reply{}, nil
}

func commit(inv execution.Invocation) error {
	data, err := json.Marshal(execution.Outcome{
		Version: execution.OutcomeVersion, Key: inv.Key(), Kind: execution.Succeeded, Executor: execution.OnLambda,
		Attempt: fmt.Sprintf("%d-x", inv.Delegation.Token), Number: inv.Delegation.Number,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(os.Getenv("OUTCOMES"), inv.Key().Path()), data, 0o644)
}

// outcomes is a directory of them.
type outcomes string

func (dir outcomes) Read(_ context.Context, k execution.Key) (execution.Outcome, error) {
	data, err := os.ReadFile(filepath.Join(string(dir), k.Path()))
	if errors.Is(err, fs.ErrNotExist) {
		return execution.Outcome{}, outcome.ErrNone
	}
	var o execution.Outcome
	if err == nil {
		err = json.Unmarshal(data, &o)
	}
	return o, err
}

// rig is an Executor in front of a local Lambda.
type rig struct {
	*remote.Executor
	service *lambdalocal.Service
}

func newRig(t *testing.T, local lambdalocal.Config, change func(*remote.Config)) rig {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	local.Command, local.Env = []string{exe}, []string{"OUTCOMES=" + dir, "GORACE=atexit_sleep_ms=0"}
	local.Function, local.MemoryMB = "sage", 2048
	service, err := lambdalocal.Listen(local)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("local lambda: %v", err)
		}
	})

	cfg := config()
	cfg.Endpoint = service.URL()
	if change != nil {
		change(&cfg)
	}
	client, err := remote.NewClient(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	executor, err := remote.New(client, outcomes(dir), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rig{executor, service}
}

func config() remote.Config {
	return remote.Config{
		Function: "sage", Timeout: 10 * time.Second, Margin: time.Second, Poll: 50 * time.Millisecond,
		Busy: 3 * time.Second, Concurrency: 4, MemoryMB: 2048, Architecture: "arm64", PriceRequest: 0.0000002,
	}
}

func attempt(do string) execution.Attempt {
	return execution.Attempt{
		Request: execution.Request{ID: "e1", Mailbox: "ventas", Config: execution.Config{Text: do},
			Inputs: []execution.Input{{URI: "u", Filename: "a.csv"}}},
		Token: 7, Number: 2, Deliveries: 3, Enqueued: time.Unix(1, 0),
	}
}

func TestExecute(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		do        string
		committed bool
		code      fault.Code
		busy      bool
		local     bool
		permanent bool
	}{
		"success":                 {do: "commit", committed: true},
		"crash after the commit":  {do: "commit, then crash", committed: true},
		"crash":                   {do: "crash", code: remote.CodeFunction},
		"panic":                   {do: "panic", code: remote.CodeFunction},
		"handler error":           {do: "error", code: remote.CodeFunction},
		"timeout":                 {do: "sleep", code: remote.CodeFunction},
		"attempt failed":          {do: "fail", code: remote.CodeFailed},
		"refused":                 {do: "refuse", code: remote.CodeRefused, busy: true, local: true},
		"newer than the function": {do: "unknown version", code: remote.CodeRefused, busy: true, local: true},
		"busy":                    {do: "busy", code: remote.CodeFailed, busy: true},
		"success without proof":   {do: "claim", code: remote.CodeNoOutcome},
		"another function":        {do: "what?", code: remote.CodeFailed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, lambdalocal.Config{Timeout: 2 * time.Second}, nil)
			o, err := r.Execute(t.Context(), attempt(tt.do))
			if tt.committed {
				if err != nil || o.Attempt != "7-x" || o.Number != 2 || o.Kind != execution.Succeeded {
					t.Fatalf("got %+v, %v", o, err)
				}
				checkUsage(t, r, o.Usage)
				return
			}
			if fault.CodeOf(err) != tt.code || fault.IsPermanent(err) != tt.permanent {
				t.Errorf("got %v, want %s", err, tt.code)
			}
			if busy, ok := errors.AsType[*execution.BusyError](err); ok != tt.busy || ok && (busy.For != 3*time.Second || busy.Local != tt.local) {
				t.Errorf("busy %+v, want %v", busy, tt.busy)
			}
			billed, ok := errors.AsType[*execution.BilledError](err)
			if !ok {
				t.Fatalf("%v does not say what it cost", err)
			}
			checkUsage(t, r, &billed.Usage)
			if stats := r.service.Stats(); stats.Invocations != 1 {
				t.Errorf("invoked %d times", stats.Invocations)
			}
		})
	}
}

// checkUsage compares what was understood with what the service billed.
func checkUsage(t *testing.T, r rig, u *execution.Usage) {
	t.Helper()
	if u == nil {
		t.Fatal("no usage")
	}
	billed := r.service.Stats().BilledMillis
	want := 0.0000002 + 2*0.0000133334*float64(billed)/1000
	if u.BilledMillis != billed || u.MemoryMB != 2048 || u.InitMillis < 1 || u.InitMillis > billed+1 ||
		u.CostUSD < want*0.999 || u.CostUSD > want*1.001 {
		t.Errorf("%+v, want %d ms for $%.10f", u, billed, want)
	}
}

func TestThrottled(t *testing.T) {
	t.Parallel()
	r := newRig(t, lambdalocal.Config{Concurrency: 1}, nil)
	first := make(chan error, 1)
	go func() {
		_, err := r.Execute(t.Context(), attempt("commit late"))
		first <- err
	}()
	eventually(t, func() bool { return r.service.Stats().Concurrent == 1 })
	second := attempt("commit")
	second.Request.ID = "e2"
	_, err := r.Execute(t.Context(), second)
	busy, ok := errors.AsType[*execution.BusyError](err)
	if !ok || busy.For != 0 || fault.CodeOf(err) != remote.CodeThrottled {
		t.Errorf("got %v, want it left to others with %s", err, remote.CodeThrottled)
	}
	if !r.Governor().Throttled() {
		t.Error("the governor wasn't told")
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// TestNeverRan: what can't have run charges no attempt and waits for nothing.
func TestNeverRan(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*remote.Config){
		"unknown function":   func(c *remote.Config) { c.Function = "sagan" },
		"connection refused": func(c *remote.Config) { c.Endpoint = refusing() },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, lambdalocal.Config{}, change)
			began := time.Now()
			_, err := r.Execute(t.Context(), attempt("commit"))
			if _, ok := errors.AsType[*execution.BusyError](err); !ok || fault.CodeOf(err) != remote.CodeUnavailable {
				t.Errorf("got %v, want busy with %s", err, remote.CodeUnavailable)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// refusing is the address of a server that has ended.
func refusing() string {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	return server.URL
}

// What Lambda does not take a worker may execute: no attempt is charged.
func TestPayloadTooLarge(t *testing.T) {
	t.Parallel()
	r := newRig(t, lambdalocal.Config{}, nil)
	large := attempt("commit")
	large.Request.Sender = strings.Repeat("x", 7<<20)
	_, err := r.Execute(t.Context(), large)
	if busy, ok := errors.AsType[*execution.BusyError](err); !ok || !busy.Local || fault.CodeOf(err) != remote.CodePayload {
		t.Errorf("got %v, want it left to workers with %s", err, remote.CodePayload)
	}
}

// TestAnswerLost: the connection breaks while the function runs. Its outcome,
// which comes later, counts, and it is not invoked again.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		do   string
		code fault.Code
	}{
		"committed later":     {"commit late", ""},
		"committed at once":   {"commit", ""},
		"nothing comes of it": {"crash", remote.CodeUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, lambdalocal.Config{}, func(c *remote.Config) {
				c.Endpoint = cutting(t, c.Endpoint)
				c.Timeout, c.Margin = 2*time.Second, 500*time.Millisecond
			})
			began := time.Now()
			o, err := r.Execute(t.Context(), attempt(tt.do))
			if fault.CodeOf(err) != tt.code && tt.code != "" || tt.code == "" && (err != nil || o.Attempt != "7-x") {
				t.Errorf("got %+v, %v, want %q", o, err, tt.code)
			}
			if tt.code != "" && time.Since(began) < 2500*time.Millisecond {
				t.Errorf("gave up after %v", time.Since(began))
			}
			if o.Usage != nil {
				t.Errorf("a bill nobody sent: %+v", o.Usage)
			}
			eventually(t, func() bool { return r.service.Stats().Concurrent == 0 })
			if stats := r.service.Stats(); stats.Invocations != 1 {
				t.Errorf("invoked %d times", stats.Invocations)
			}
		})
	}
}

// cutting is a proxy that passes each request on and then breaks the connection
// it came by.
func cutting(t *testing.T, to string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		forward, err := http.NewRequest(r.Method, to+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		forward.Header = r.Header.Clone()
		passed := make(chan struct{})
		go func() {
			defer close(passed)
			if response, err := http.DefaultTransport.RoundTrip(forward); err == nil {
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		}()
		t.Cleanup(func() { <-passed; http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
		time.Sleep(200 * time.Millisecond) // the function is at work
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// eventually waits for a state of other processes.
func eventually(t *testing.T, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !reached(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("state not reached")
		}
	}
}
