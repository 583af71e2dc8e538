package chaos

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/tests/process"
)

var inflight = flag.Int("inflight", 20, "how many invocations are under way when the bridge is killed")

// slowLambda is a Lambda whose every environment takes so long for its first work.
type slowLambda struct {
	*lambdalocal.Service
	wrote *process.Output // by its environments
}

func (f *fleet) slowLambda(t *testing.T, environments int, takes time.Duration) slowLambda {
	t.Helper()
	wrote := &process.Output{}
	cfg := lambdalocal.Config{Function: function, Command: []string{program("lambda")}, Concurrency: environments,
		Timeout: 2 * time.Minute, InitTimeout: time.Minute, Logs: wrote}
	for name, value := range f.with(map[string]string{"SAGE_FAILPOINT": fmt.Sprintf("%s=delay:%v", failpoint.Working, takes)}) {
		cfg.Env = append(cfg.Env, name+"="+value)
	}
	lambda, err := lambdalocal.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running errgroup.Group
	running.Go(func() error { return lambda.Run(ctx) })
	t.Cleanup(func() {
		stop()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the Lambda wrote:\n%s", wrote.Tail(16<<10))
		}
	})
	return slowLambda{lambda, wrote}
}

// began counts the environments that are at their first work, or were.
func (l slowLambda) began() int { return strings.Count(l.wrote.Tail(1<<20), string(failpoint.Working)) }

// bridgeTo adds a bridge that forwards whatever waits.
func (f *fleet) bridgeTo(lambda slowLambda, slots int) *service {
	s := &service{name: "bridge", sign: "bridge watches the backlog", vars: f.with(map[string]string{
		"LAMBDA_FUNCTION": function, "LAMBDA_ENDPOINT": lambda.URL(), "LAMBDA_TIMEOUT": "2m", "LAMBDA_CONCURRENCY": strconv.Itoa(slots),
		"GOVERNOR_START": "0", "BRIDGE_SLOTS": strconv.Itoa(slots), "OVERFLOW_PENDING": "0", "OVERFLOW_CPU": "0",
		"RECONCILE_EVERY": "1s", "RECONCILE_GRACE": "1s",
	})}
	f.services = append(f.services, s)
	return s
}

func (f *fleet) ledger(t *testing.T) *delegation.Ledger {
	t.Helper()
	kv, err := f.js.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	return delegation.New(f.js, kv, time.Hour)
}

// delegations counts the entries of the ledger by state.
func (f *fleet) delegations(t *testing.T) map[delegation.State]int {
	t.Helper()
	states := map[delegation.State]int{}
	for e, err := range f.ledger(t).Since(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		states[e.State]++
	}
	return states
}

func (f *fleet) submitOne(t *testing.T, k execution.Key, deadline time.Time) {
	t.Helper()
	s := ordinary.submission(k, 3)
	s.Deadline = deadline
	if _, err := f.producer.Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) awaitEnd(t *testing.T, k execution.Key) execution.Outcome {
	t.Helper()
	var o execution.Outcome
	process.Eventually(t, patience, k.String()+" ends", func() bool { o = f.read(t, k); return o.Kind != "" })
	return o
}

// The redelivered message of a killed bridge waits for the live invocation while its
// deadline allows, and is executed again when it doesn't.
func TestAKilledBridgesInvocationIsWaitedFor(t *testing.T) {
	t.Parallel()
	const takes = 8 * time.Second
	for name, deadline := range map[string]time.Duration{"the deadline allows": time.Minute, "it doesn't": 4 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, stores["file"](t))
			lambda := f.slowLambda(t, 1, takes)
			bridge := f.bridgeTo(lambda, 1)
			f.revive(t)
			k := execution.Key{Mailbox: "pedidos", ID: "e1", Generation: 1}
			submitted := time.Now()
			f.submitOne(t, k, submitted.Add(deadline))
			process.Eventually(t, patience, "the Lambda is at it", func() bool {
				return lambda.Stats().Concurrent == 1 && f.delegations(t)[delegation.Invoked] == 1
			})
			killed := bridge.Signal(t, syscall.SIGKILL)
			f.services = nil
			f.addWorker()
			f.revive(t)
			o := f.awaitEnd(t, k)
			t.Logf("by %s, %v after the bridge was killed, %v after it was submitted", o.Executor,
				time.Since(killed).Round(time.Millisecond), o.Finished.Sub(submitted).Round(time.Millisecond))
			want := execution.OnLambda
			if deadline < takes {
				want = execution.OnWorker
			}
			if o.Executor != want || o.Kind != execution.Succeeded || o.Number != 1 {
				t.Errorf("ended %s by %s, attempt %d; want the first, by %s", o.Kind, o.Executor, o.Number, want)
			}
			process.Eventually(t, patience, "the queue is empty", func() bool { return f.idle(t) })
		})
	}
}

// A bridge is killed with many invocations in flight and started again: none is
// invoked once more.
func TestABridgeKilledWithManyInFlightInvokesNoneAgain(t *testing.T) {
	t.Parallel()
	n := *inflight
	takes := 10*time.Second + time.Duration(n)*400*time.Millisecond // until all have begun, on a busy machine
	f := newFleet(t, stores["file"](t))
	lambda := f.slowLambda(t, n, takes)
	bridge := f.bridgeTo(lambda, n)
	f.revive(t)
	var keys []execution.Key
	var submitting errgroup.Group
	submitting.SetLimit(4)
	for i := range n {
		k := execution.Key{Mailbox: "pedidos", ID: fmt.Sprintf("e%03d", i), Generation: 1}
		keys = append(keys, k)
		submitting.Go(func() error {
			_, err := f.producer.Submit(t.Context(), ordinary.submission(k, 3))
			return err
		})
	}
	if err := submitting.Wait(); err != nil {
		t.Fatal(err)
	}
	// An environment that is only starting may fail to, and who would invoke again is killed.
	process.Eventually(t, patience, "all are at work", func() bool {
		return lambda.began() >= n && lambda.Stats().Concurrent == n && f.delegations(t)[delegation.Invoked] == n
	})
	before := lambda.Stats().Invocations // that are over: environments that failed to start
	bridge.Signal(t, syscall.SIGKILL)
	process.Eventually(t, patience, "the bridge has ended", func() bool { return !bridge.Running() })
	f.revive(t)
	for _, k := range keys {
		if o := f.awaitEnd(t, k); o.Executor != execution.OnLambda || o.Kind != execution.Succeeded {
			t.Errorf("%s ended %s by %s", k, o.Kind, o.Executor)
		}
	}
	process.Eventually(t, patience, "the queue is empty", func() bool { return f.idle(t) })
	process.Eventually(t, patience, "the ledger says how all ended", func() bool { return f.delegations(t)[delegation.Ended] == n })
	report, err := history.Check(t.Context(), f.js, f.outcomes, keys)
	if err != nil || !report.Clean() || report.Succeeded != n {
		t.Errorf("%d of %d succeeded: %v\n%s", report.Succeeded, n, err, report.Explain())
	}
	if ran := lambda.Stats().Invocations; ran != before+int64(n) {
		t.Errorf("of %d in flight, %d were invoked again", n, ran-before-int64(n))
	}
	t.Logf("%d in flight, none invoked again; they took %v each", n, takes)
}
