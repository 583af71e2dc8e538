package load

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/tests/turn"
	"github.com/sagefleet/sagefleet/worker/function"
)

const variableSleep = "LOAD_TEST_SLEEP"

// TestMain makes this test binary the Lambda of its own tests: a real process
// behind a real runtime, whose executions only sleep.
func TestMain(m *testing.M) {
	if file := os.Getenv(process.VariableS3); file != "" {
		panic(process.ServeS3(file))
	}
	if s := os.Getenv(variableShow); s != "" {
		if err := serveShown(show(s)); err != nil {
			panic(err)
		}
		return
	}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		os.Exit(runTests(m))
	}
	objects, err := storage.Open(context.Background(), os.Getenv("STORAGE_URL"))
	if err != nil {
		panic(err)
	}
	takes, err := time.ParseDuration(os.Getenv(variableSleep))
	if err != nil {
		panic(err)
	}
	r := rig{outcomes: outcome.New(objects)}
	lambda.Start(function.New(r.sleep(takes, execution.OnLambda)).Handle)
}

func runTests(m *testing.M) int {
	defer turn.Alone()()
	process.IsolateAWS()
	var err error
	if stores, err = os.MkdirTemp("", "sage-load-"); err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(stores) }()
	return m.Run()
}

// timed notes when the bridge begins to invoke.
type timed struct {
	next    execution.Executor
	mu      sync.Mutex
	invoked map[string]time.Time
	count   atomic.Int64
}

func (t *timed) Execute(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	t.mu.Lock()
	if _, again := t.invoked[a.Request.ID]; !again {
		t.invoked[a.Request.ID] = time.Now()
		t.count.Add(1)
	}
	t.mu.Unlock()
	return t.next.Execute(ctx, a)
}

// bridge runs a bridge over a local Lambda until the test ends.
func (r rig) bridge(t *testing.T, environments int, takes time.Duration) *timed {
	t.Helper()
	return r.bridgeWith(t, environments, takes, map[string]string{})
}

// bridgeWith is bridge with some settings.
func (r rig) bridgeWith(t *testing.T, environments int, takes time.Duration, settled map[string]string) *timed {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	service, err := lambdalocal.Listen(lambdalocal.Config{Function: "sage", Command: []string{self}, Concurrency: environments,
		Env: []string{"STORAGE_URL=" + r.objects.URL(), variableSleep + "=" + takes.String()}})
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"LAMBDA_FUNCTION": "sage", "LAMBDA_ENDPOINT": service.URL(), "OVERFLOW_CPU": "0"}
	maps.Copy(variables, settled)
	calls, err := settings.Parse[remote.Config](variables)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := settings.Parse[bridge.Config](variables)
	if err != nil {
		t.Fatal(err)
	}
	client, err := remote.NewClient(t.Context(), calls)
	if err != nil {
		t.Fatal(err)
	}
	lambda, err := remote.New(client, r.outcomes, calls)
	if err != nil {
		t.Fatal(err)
	}
	clock := &timed{next: lambda, invoked: map[string]time.Time{}}
	b, err := bridge.New(t.Context(), r.connect(t, "bridge"), r.objects, r.cfg, clock, "bridge", cfg, bridge.WithGovernor(lambda.Governor()))
	if err != nil {
		t.Fatal(err)
	}
	r.until(t, service.Run)
	r.until(t, b.Run)
	return clock
}

// Evenly spaced arrivals, so that nothing but the rate crosses the threshold.
func TestBridgeForwardsOnlyAboveCapacity(t *testing.T) {
	const workers, slots, takes = 2, 2, 100 * time.Millisecond // capacity 40/s
	const capacity = float64(workers*slots) * float64(time.Second) / float64(takes)
	tests := map[string]struct {
		load    float64 // of the capacity
		forward bool
	}{
		"half":   {0.5, false},
		"double": {2, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := int(capacity * tt.load * 5)
			var forwarded int64
			for range quietTries {
				awaitQuiet(t)
				r := newRig(t)
				clock := r.bridge(t, 20, takes)
				for i := range workers {
					r.worker(t, fmt.Sprintf("w%d", i), slots, takes)
				}
				time.Sleep(500 * time.Millisecond) // everyone is pulling
				r.publishEvenly(t, n, capacity*tt.load)
				r.drained(t)
				forwarded = clock.count.Load()
				t.Logf("%s the capacity: %d of %d forwarded", name, forwarded, n)
				if (forwarded > 0) == tt.forward {
					return
				}
			}
			t.Errorf("%d of %d forwarded, want some: %v", forwarded, n, tt.forward)
		})
	}
}

// Between the message that crosses the threshold and the invocation there is no
// polling, only the server's decision.
func TestCrossingIsQuick(t *testing.T) {
	const want = 20 * time.Millisecond
	var p50, p99 time.Duration
	for range quietTries {
		awaitQuiet(t)
		p50, p99 = crossings(t, 150)
		t.Logf("crossing to invocation: p50 %v, p99 %v", p50, p99)
		if p99 < want {
			return
		}
	}
	t.Errorf("p99 %v in each of %d tries, want less than %v", p99, quietTries, want)
}

// crossings makes n messages cross the threshold, one by one, and returns how long
// it took until the bridge began to invoke.
func crossings(t *testing.T, n int) (p50, p99 time.Duration) {
	t.Helper()
	const threshold = 3
	r := newRig(t)
	clock := r.bridge(t, 20, 0)
	r.worker(t, "busy", 1, time.Minute)
	r.publish(t, 0, 1) // is taken and sleeps
	r.reaches(t, queue.Backlog{InFlight: 1})
	r.publish(t, 1, 1+threshold) // wait
	r.reaches(t, queue.Backlog{InFlight: 1, Waiting: threshold})
	var delays []time.Duration
	for i := range n {
		published := time.Now()
		r.publish(t, 1000+i, 1001+i)
		for clock.count.Load() <= int64(i) {
			if time.Since(published) > 10*time.Second {
				t.Fatalf("crossing %d was never invoked", i)
			}
			time.Sleep(200 * time.Microsecond)
		}
		clock.mu.Lock()
		last := published
		for _, at := range clock.invoked {
			if at.After(last) {
				last = at
			}
		}
		clock.mu.Unlock()
		delays = append(delays, last.Sub(published))
		time.Sleep(5 * time.Millisecond)
	}
	slices.Sort(delays)
	return delays[n/2], delays[n*99/100]
}
