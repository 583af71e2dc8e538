package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

func get(t *testing.T, m *telemetry.Monitor, path string) (int, string) {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return answer.Code, answer.Body.String()
}

// holds reports whether the metrics have a line.
func holds(t *testing.T, m *telemetry.Monitor, line string) bool {
	t.Helper()
	_, text := get(t, m, "/metrics")
	return strings.Contains("\n"+text, "\n"+line+"\n")
}

func expect(t *testing.T, m *telemetry.Monitor, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !holds(t, m, line) {
			t.Errorf("no line %q", line)
		}
	}
}

var key = execution.Key{Mailbox: "ventas", ID: "e1", Generation: 1}

func TestExecutions(t *testing.T) {
	t.Parallel()
	m := telemetry.New("worker", telemetry.Config{Mailboxes: 50})
	accepted := time.Now().Add(-3 * time.Second)
	a := execution.Attempt{Number: 1, Enqueued: accepted}
	m.AttemptBegan(execution.OnLambda, a)
	m.AttemptFailed(execution.OnLambda, a, &execution.BilledError{Usage: execution.Usage{BilledMillis: 500, CostUSD: 0.25}, Err: fault.New("LAMBDA_FUNCTION", "it died")})
	a.Number = 2
	m.AttemptBegan(execution.OnLambda, a)
	m.ExecutionEnded(a, execution.Outcome{Key: key, Kind: execution.Succeeded, Executor: execution.OnLambda, Enqueued: accepted,
		Started: accepted.Add(time.Second), Finished: accepted.Add(3 * time.Second), Usage: &execution.Usage{BilledMillis: 2000, InitMillis: 80, CostUSD: 0.5}})
	m.ExecutionEnded(a, execution.Outcome{Key: key, Kind: execution.Dead, Executor: execution.OnWorker, Fault: fault.New("ZIP_RATIO", "too much"),
		Deadline: accepted, Finished: accepted.Add(time.Second)})
	m.ExecutionEnded(a, execution.Outcome{Key: key, Kind: execution.Cancelled, Executor: execution.ByOperator, Deadline: accepted, Finished: accepted.Add(time.Hour)})
	m.ExecutionEnded(a, execution.Outcome{Key: key, Kind: execution.Succeeded, Executor: execution.OnWorker, CachedFrom: &execution.CachedFrom{},
		Deadline: accepted, Finished: accepted})
	m.MessageHandled(queue.Handled{End: queue.EndBusy, Err: &execution.BusyError{Err: &lock.HeldError{}}})
	m.MessageHandled(queue.Handled{End: queue.EndBusy, Err: &execution.BusyError{Err: errors.New("no space")}})
	expect(t, m,
		`sage_attempts_total{executor="lambda"} 2`,
		`sage_attempts_failed_total{code="LAMBDA_FUNCTION",executor="lambda"} 1`,
		`sage_execution_wait_seconds_count{executor="lambda"} 1`,
		`sage_execution_wait_seconds_bucket{executor="lambda",le="2.5"} 0`,
		`sage_execution_wait_seconds_bucket{executor="lambda",le="30"} 1`,
		`sage_executions_total{executor="lambda",mailbox="ventas",state="succeeded"} 1`,
		`sage_executions_total{executor="worker",mailbox="ventas",state="dead"} 1`,
		`sage_executions_dead_total{code="ZIP_RATIO"} 1`,
		`sage_executions_cached_total 1`,
		`sage_executions_late_total{mailbox="ventas"} 1`,
		`sage_execution_run_seconds_sum{executor="lambda"} 2`,
		`sage_execution_turnaround_seconds_sum{executor="lambda"} 3`,
		`sage_lambda_billed_seconds_total 2.5`,
		`sage_lambda_cost_usd_total 0.75`,
		`sage_lambda_cold_starts_total 1`,
		`sage_messages_total{end="busy"} 2`,
		`sage_lock_conflicts_total 1`,
	)
	if problems, err := testutil.GatherAndLint(m.Gatherer()); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// TestLabelsAreBounded: whoever invents mailboxes makes no more time series.
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m := telemetry.New("worker", telemetry.Config{Mailboxes: 3})
	for i := range 1000 {
		k := execution.Key{Mailbox: fmt.Sprintf("m%d", i), ID: "e", Generation: 1}
		code := fault.Code(fmt.Sprintf("CODE_%d", i))
		m.ExecutionEnded(execution.Attempt{}, execution.Outcome{Key: k, Kind: execution.Dead, Executor: execution.OnWorker, Fault: fault.New(code, "x")})
		m.AttemptFailed(execution.OnWorker, execution.Attempt{}, fault.New(code, "x"))
	}
	expect(t, m, `sage_executions_total{executor="worker",mailbox="m2",state="dead"} 1`,
		`sage_executions_total{executor="worker",mailbox="other",state="dead"} 997`)
	for name, most := range map[string]int{"sage_executions_total": 4, "sage_executions_dead_total": 201, "sage_attempts_failed_total": 201} {
		if n, err := testutil.GatherAndCount(m.Gatherer(), name); err != nil || n != most {
			t.Errorf("%s has %d series, want %d (%v)", name, n, most, err)
		}
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	m := telemetry.New("worker", telemetry.Config{})
	var broken error
	m.Check("nats", func(context.Context) error { return nil })
	m.Check("queue", func(context.Context) error { return broken })
	if code, text := get(t, m, "/readyz"); code != http.StatusOK || text != "ready\nnats     ok\nqueue    ok\n" {
		t.Errorf("%d %q", code, text)
	}
	broken = errors.New("consumer fleet: not found")
	if code, text := get(t, m, "/readyz"); code != http.StatusServiceUnavailable || text != "not ready\nnats     ok\nqueue    consumer fleet: not found\n" {
		t.Errorf("%d %q", code, text)
	}
	expect(t, m, `sage_ready{check="nats"} 1`, `sage_ready{check="queue"} 0`, `sage_draining 0`)
	if code, _ := get(t, m, "/healthz"); code != http.StatusOK {
		t.Errorf("it lives, and says %d", code)
	}
}

// TestSlowCheck: one that doesn't answer fails, and keeps nobody.
func TestSlowCheck(t *testing.T) {
	t.Parallel()
	m := telemetry.New("worker", telemetry.Config{})
	m.Check("storage", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	if code, text := get(t, m, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "deadline") {
		t.Errorf("%d %q", code, text)
	}
}

// TestAround: it is served from before the work until after, and while the work drains it
// is not ready.
func TestAround(t *testing.T) {
	t.Parallel()
	m := telemetry.New("worker", telemetry.Config{Listen: "127.0.0.1:0"})
	ctx, stop := context.WithCancel(t.Context())
	err := m.Around(ctx, func(ctx context.Context) error {
		if code, _ := get(t, m, "/readyz"); code != http.StatusOK {
			t.Errorf("not ready: %d", code)
		}
		stop()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			code, text := get(t, m, "/readyz")
			if code == http.StatusServiceUnavailable && strings.HasPrefix(text, "draining\n") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("while it drains: %d %q", code, text)
			}
		}
		return io.ErrUnexpectedEOF
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("came to %v", err)
	}
	expect(t, m, `sage_draining 1`)
	if err := telemetry.New("w", telemetry.Config{Listen: "127.0.0.1:-1"}).Around(t.Context(), func(context.Context) error { return nil }); err == nil ||
		!strings.Contains(err.Error(), "METRICS_LISTEN") {
		t.Errorf("a port that can't be listened at: %v", err)
	}
}

// brokenStore fails what it is asked while err is set.
type brokenStore struct {
	storage.Store
	asked int
	err   error
}

func (b *brokenStore) Stat(ctx context.Context, key string) (storage.Info, error) {
	b.asked++
	if b.err != nil {
		return storage.Info{}, b.err
	}
	return b.Store.Stat(ctx, key)
}

func TestStore(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	objects, err := storage.Open(ctx, "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := telemetry.New("worker", telemetry.Config{})
	broken := &brokenStore{Store: objects, err: fault.New(storage.CodeUnavailable, "no route")}
	watched := m.Store(broken)
	if code, text := get(t, m, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "no route") {
		t.Errorf("storage is away: %d %q", code, text)
	}
	broken.err = nil
	if code, text := get(t, m, "/readyz"); code != http.StatusOK {
		t.Errorf("storage is there: %d %q", code, text)
	}
	if err := watched.Create(ctx, "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := watched.Create(ctx, "a/b", []byte("x")); !errors.Is(err, storage.ErrExists) {
		t.Fatal(err)
	}
	if _, err := watched.Put(ctx, "a/c", strings.NewReader("y")); err != nil {
		t.Fatal(err)
	}
	body, err := watched.Get(ctx, "a/c")
	if err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
	if _, err := watched.Get(ctx, "a/d"); !errors.Is(err, storage.ErrNotFound) {
		t.Fatal(err)
	}
	for range watched.List(ctx, "a/") {
		break
	}
	for range watched.List(ctx, "nothing/") {
		t.Error("something")
	}
	if err := watched.Delete(ctx, "a/c"); err != nil {
		t.Fatal(err)
	}
	asked := broken.asked
	if code, _ := get(t, m, "/readyz"); code != http.StatusOK || broken.asked != asked {
		t.Errorf("it answered just now, and was asked again %d times", broken.asked-asked)
	}
	expect(t, m,
		`sage_storage_request_seconds_count{operation="create"} 2`, `sage_storage_request_seconds_count{operation="put"} 1`,
		`sage_storage_request_seconds_count{operation="get"} 2`, `sage_storage_request_seconds_count{operation="list"} 2`,
		`sage_storage_request_seconds_count{operation="delete"} 1`,
		`sage_storage_errors_total{code="STORAGE_UNAVAILABLE",operation="stat"} 1`)
	if n, err := testutil.GatherAndCount(m.Gatherer(), "sage_storage_errors_total"); err != nil || n != 1 {
		t.Errorf("%d kinds of errors (%v): what isn't there is no error", n, err)
	}
}

func TestConfigRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]telemetry.Config{
		"METRICS_LISTEN": {Listen: "9090"}, "METRICS_MAILBOXES": {Mailboxes: -1},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if err := (telemetry.Config{Listen: ":9090", Mailboxes: 50}).Validate(); err != nil {
		t.Error(err)
	}
}

// TestCatalogNames: names follow what Prometheus expects, and none comes twice.
func TestCatalogNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range telemetry.Catalog {
		if seen[m.Name] {
			t.Errorf("%s comes twice", m.Name)
		}
		seen[m.Name] = true
		if counts := strings.HasSuffix(m.Name, "_total"); counts != (m.Kind == telemetry.Counter) {
			t.Errorf("%s is a %s", m.Name, m.Kind)
		}
		if !strings.HasPrefix(m.Name, "sage_") && m.Name != telemetry.LocalBacklogBefore.Name || m.Help == "" || m.By == "" {
			t.Errorf("%+v", m)
		}
		if (m.Kind == telemetry.Histogram) != (len(m.Buckets) > 0) {
			t.Errorf("%s is a %s with %d buckets", m.Name, m.Kind, len(m.Buckets))
		}
	}
}
