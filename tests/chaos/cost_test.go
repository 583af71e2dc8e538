package chaos

import (
	"math"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/tests/process"
)

// What is told of all executions adds up to what Lambda bills, also for those that fail.
func TestWhatIsToldAddsUpToTheBill(t *testing.T) {
	t.Parallel()
	const price, perRequest = 0.0000133334, 0.0000002 // per second at 1 GB, and per invocation
	f := newFleet(t, stores["file"](t))
	lambda := f.startLambda(t)
	f.addBridge(lambda)
	bridge := f.services[0]
	bridge.vars["MAX_ATTEMPTS"], bridge.vars["BACKOFF_BASE"], bridge.vars["BRIDGE_SLOTS"] = "2", "100ms", "1"
	key := func(id string) execution.Key { return execution.Key{Mailbox: "pedidos", ID: id, Generation: 1} }

	end := func(id string, want execution.Kind) {
		t.Helper()
		if o := f.awaitEnd(t, key(id)); o.Kind != want {
			t.Errorf("%s ended %s: %v, want %s", id, o.Kind, o.Fault, want)
		}
	}
	submit := func(id string, s scenario) {
		t.Helper()
		if _, err := f.producer.Submit(t.Context(), s.submission(key(id), 3)); err != nil {
			t.Fatal(err)
		}
	}
	// Its files are gone, and one attempt has failed before: the next buries it.
	submit("lost", ordinary)
	f.charge(t, key("lost"))
	for info, err := range f.objects.List(t.Context(), intake.Prefix("pedidos", "lost")+"/") {
		if err != nil {
			t.Fatal(err)
		}
		if err := f.objects.Delete(t.Context(), info.Key); err != nil {
			t.Fatal(err)
		}
	}
	submit("refused", dead)
	submit("fine", ordinary)
	f.revive(t)
	end("lost", execution.Dead)
	end("refused", execution.Dead)
	end("fine", execution.Succeeded)
	// The function itself dies: an error that is billed.
	f.arm(t, failpoint.Working, "kill")
	submit("killed", ordinary)
	process.Eventually(t, patience, "the function is killed", func() bool { return !f.armed(failpoint.Working) })
	// Somebody else ends it meanwhile: what it cost is nobody's result.
	f.arm(t, failpoint.Worked, "delay:2s")
	submit("overtaken", ordinary)
	process.Eventually(t, patience, "the function is at it", func() bool { return !f.armed(failpoint.Worked) })
	if _, err := f.outcomes.Commit(t.Context(), execution.Outcome{Key: key("overtaken"), Kind: execution.Cancelled, Attempt: execution.NewAttemptID(0),
		Executor: execution.ByOperator, RequestDigest: f.request(t, key("overtaken")).Digest()}, nil); err != nil {
		t.Fatal(err)
	}
	f.addWorker() // retries are moved by workers
	f.revive(t)
	end("killed", execution.Succeeded)
	process.Eventually(t, patience, "the queue is empty", func() bool { return f.idle(t) })

	var report history.Report
	var err error
	stats := lambda.Stats()
	billed := float64(stats.BilledMillis)/1000*price + float64(stats.Invocations)*perRequest
	process.Eventually(t, patience, "what is told adds up", func() bool {
		if report, err = history.Verify(t.Context(), f.js, f.outcomes, history.Options{}); err != nil {
			t.Fatal(err)
		}
		return math.Abs(report.CostUSD-billed) < 1e-12
	})
	t.Logf("%d invocations of 5 executions, %d of them errors: %.9f USD are billed and told", stats.Invocations, stats.Errors, billed)
	if stats.Invocations < 5 || stats.Errors != 1 {
		t.Errorf("%d invocations, %d errors: want one for each execution, and one error", stats.Invocations, stats.Errors)
	}
}

func (f *fleet) request(t *testing.T, k execution.Key) execution.Request {
	t.Helper()
	request, err := intake.Request(t.Context(), f.objects, k.Mailbox, k.ID)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// charge records that an attempt at k has failed.
func (f *fleet) charge(t *testing.T, k execution.Key) {
	t.Helper()
	kv, err := f.js.KeyValue(t.Context(), bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	r := state.Record{Key: k, State: execution.RetryWait, RequestDigest: f.request(t, k).Digest(), Failures: 1, Updated: time.Now().UTC()}
	if _, err := state.New(f.js, kv, time.Hour).Save(t.Context(), r, 0); err != nil {
		t.Fatal(err)
	}
}
