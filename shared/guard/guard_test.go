package guard_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// fleet is the real stores of a test, and guards over them.
type fleet struct {
	js       jetstream.JetStream
	locks    *lock.Locker
	states   *state.Store
	ledger   *delegation.Ledger
	outcomes *outcome.Store
}

func newFleet(t *testing.T) fleet {
	t.Helper()
	js := bustest.Start(t)
	kv := func(bucket string) jetstream.KeyValue {
		kv, err := js.KeyValue(t.Context(), bucket)
		if err != nil {
			t.Fatal(err)
		}
		return kv
	}
	objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return fleet{js, lock.New(js, kv(bus.BucketLocks), time.Second, "test"),
		state.New(js, kv(bus.BucketState), time.Hour), delegation.New(js, kv(bus.BucketDelegations), time.Hour), outcome.New(objects)}
}

func (f fleet) guard(next execution.ExecutorFunc) *guard.Guard {
	return guard.New(f.locks, f.states, f.ledger, f.outcomes, event.New(f.js, bus.SubjectEvent), next,
		guard.Identity{Executor: execution.OnWorker, Host: "h1"}, guard.Config{MaxAttempts: 3, MaxCrashes: 2})
}

// commit is an executor that does its work and commits.
func (f fleet) commit(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	return f.outcomes.Commit(ctx, execution.Outcome{Key: a.Request.Key(), Kind: execution.Succeeded,
		Attempt: execution.NewAttemptID(a.Token), Number: a.Number, Executor: execution.OnWorker,
		RequestDigest: a.Request.Digest(), Enqueued: a.Enqueued, Finished: time.Now().UTC()}, nil)
}

func (f fleet) record(t *testing.T, k execution.Key) state.Record {
	t.Helper()
	r, _, err := f.states.Load(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func attempt() execution.Attempt {
	return execution.Attempt{Deliveries: 1, Enqueued: time.Unix(1, 0).UTC(), Request: execution.Request{ID: "e1", Mailbox: "ventas",
		Config: execution.Config{Text: "x"}, Inputs: []execution.Input{{URI: "u", Filename: "a.csv"}}}}
}

func TestSecondDeliveryIsAnsweredFromTheOutcome(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	var runs atomic.Int32
	g := f.guard(func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		runs.Add(1)
		return f.commit(ctx, a)
	})
	first, err := g.Execute(t.Context(), attempt())
	if err != nil {
		t.Fatal(err)
	}
	second, err := g.Execute(t.Context(), attempt())
	if err != nil || second.Attempt != first.Attempt || runs.Load() != 1 {
		t.Errorf("second = %+v, %v after %d runs", second, err, runs.Load())
	}
	if r := f.record(t, first.Key); r.State != "SUCCEEDED" || r.Attempt != first.Attempt {
		t.Errorf("record %+v", r)
	}
}

func TestSameIDWithOtherContentIsAConflict(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	other := attempt()
	other.Request.Config.Text = "y"
	blocked := make(chan struct{})
	g := f.guard(func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		<-blocked
		return f.commit(ctx, a)
	})
	done := make(chan error, 1)
	go func() {
		_, err := g.Execute(context.Background(), attempt())
		done <- err
	}()
	time.Sleep(100 * time.Millisecond)
	if _, err := g.Execute(t.Context(), other); errors.As(err, new(*execution.BusyError)) == false {
		t.Errorf("while it runs: %v, want busy", err)
	}
	close(blocked)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := g.Execute(t.Context(), other); fault.CodeOf(err) != execution.CodeConflict || !fault.IsPermanent(err) {
		t.Errorf("after it ended: %v, want a permanent CONFLICT", err)
	}
}

func TestFailuresAreChargedUntilTheyAreSpent(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	g := f.guard(func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, fault.New("INPUT_MISSING", "no such file")
	})
	for n := 1; n <= 2; n++ {
		_, err := g.Execute(t.Context(), attempt())
		retry, ok := errors.AsType[*execution.RetryError](err)
		if !ok || retry.Number != n {
			t.Fatalf("attempt %d: %v", n, err)
		}
		if r := f.record(t, attempt().Request.Key()); r.State != execution.RetryWait || r.Failures != n || r.Code != "INPUT_MISSING" {
			t.Errorf("record %+v", r)
		}
	}
	o, err := g.Execute(t.Context(), attempt())
	if err != nil || o.Kind != execution.Dead || o.Fault.Code != guard.CodeExhausted {
		t.Fatalf("third attempt: %+v, %v", o, err)
	}
	if r := f.record(t, o.Key); r.State != "DEAD" {
		t.Errorf("record %+v", r)
	}
	if !strings.Contains(o.Fault.Hint, "`sage redrive e1 --mailbox ventas`") {
		t.Errorf("the hint is %q", o.Fault.Hint)
	}
}

func TestPermanentFailureEndsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	o, err := f.guard(func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, fault.New("CONFIG_SYNTAX", "no").At("c.yaml", 3, 4).Permanent()
	}).Execute(t.Context(), attempt())
	if err != nil || o.Kind != execution.Dead || o.Fault.Code != "CONFIG_SYNTAX" || o.Fault.Line != 3 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestBusyChargesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	throttled := f.guard(func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, &execution.BusyError{For: time.Second, Err: errors.New("throttled")}
	})
	for range 5 {
		if _, err := throttled.Execute(t.Context(), attempt()); !errors.As(err, new(*execution.BusyError)) {
			t.Fatal(err)
		}
	}
	if r := f.record(t, attempt().Request.Key()); r.Failures != 0 || r.Crashes != 0 {
		t.Errorf("record %+v", r)
	}
	if _, err := f.guard(f.commit).Execute(t.Context(), attempt()); err != nil {
		t.Error(err)
	}
}

func TestDrainingIsNoCrashAndNoFailure(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := f.guard(func(ctx context.Context, _ execution.Attempt) (execution.Outcome, error) {
			cancel()
			<-ctx.Done()
			return execution.Outcome{}, context.Cause(ctx)
		}).Execute(ctx, attempt())
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if r := f.record(t, attempt().Request.Key()); r.Failures != 0 || r.Crashes != 0 || r.State != execution.Accepted {
		t.Errorf("record %+v", r)
	}
	if _, err := f.guard(f.commit).Execute(t.Context(), attempt()); err != nil {
		t.Errorf("after draining: %v", err) // the lock was released, too
	}
}

func TestPoisonIsBuriedAfterItsCrashes(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	k := attempt().Request.Key()
	crashed := state.Record{Key: k, State: execution.Running, RequestDigest: attempt().Request.Digest()}
	revision, err := f.states.Save(t.Context(), crashed, 0)
	if err != nil {
		t.Fatal(err)
	}
	g := f.guard(func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, errors.New("an ordinary failure")
	})
	if _, err := g.Execute(t.Context(), attempt()); !errors.As(err, new(*execution.RetryError)) {
		t.Fatalf("after one crash: %v", err)
	}
	r, revision2, err := f.states.Load(t.Context(), k)
	if err != nil || r.Crashes != 1 || revision2 <= revision {
		t.Fatalf("record %+v, %v", r, err)
	}
	r.State, r.Host = execution.Running, "another"
	if _, err := f.states.Save(t.Context(), r, revision2); err != nil {
		t.Fatal(err)
	}
	o, err := g.Execute(t.Context(), attempt())
	if err != nil || o.Kind != execution.Dead || o.Fault.Code != guard.CodePoison {
		t.Errorf("after two crashes: %+v, %v", o, err)
	}
}

func TestLosingTheLockStopsTheWork(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	k := attempt().Request.Key()
	_, err := f.guard(func(ctx context.Context, _ execution.Attempt) (execution.Outcome, error) {
		if err := f.locks.Break(ctx, k.Path()); err != nil {
			t.Error(err)
		}
		select {
		case <-ctx.Done():
			return execution.Outcome{}, context.Cause(ctx)
		case <-time.After(5 * time.Second):
			return execution.Outcome{}, errors.New("nobody stopped the work")
		}
	}).Execute(t.Context(), attempt())
	if !errors.As(err, new(*execution.BusyError)) || !errors.Is(err, lock.ErrLost) {
		t.Errorf("got %v, want busy because the lock was lost", err)
	}
}

func TestRecordSaysWhatTheOutcomeSays(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	// A canceller commits while the work runs: the executor loses, and the record
	// must not believe the executor.
	o, err := f.guard(func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		cancelled := execution.Outcome{Key: a.Request.Key(), Kind: execution.Cancelled, Attempt: "canceller",
			RequestDigest: a.Request.Digest(), Finished: time.Now().UTC()}
		if _, err := f.outcomes.Commit(ctx, cancelled, nil); err != nil {
			t.Error(err)
		}
		return f.commit(ctx, a)
	}).Execute(t.Context(), attempt())
	if err != nil || o.Kind != execution.Cancelled {
		t.Fatalf("%+v, %v", o, err)
	}
	if r := f.record(t, o.Key); r.State != "CANCELLED" || r.Attempt != "canceller" {
		t.Errorf("record %+v", r)
	}
}

func TestOnlyARedriveOpensAGeneration(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	second := attempt()
	second.Request.Generation = 2
	if _, err := f.guard(f.commit).Execute(t.Context(), second); fault.CodeOf(err) != guard.CodeGeneration {
		t.Errorf("generation 2 of nothing: %v", err)
	}
	dead := f.guard(func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, fault.New("CONFIG_SYNTAX", "no").Permanent()
	})
	if _, err := dead.Execute(t.Context(), attempt()); err != nil {
		t.Fatal(err)
	}
	other := second
	other.Request.Config.Text = "y"
	if _, err := f.guard(f.commit).Execute(t.Context(), other); fault.CodeOf(err) != execution.CodeConflict || !fault.IsPermanent(err) {
		t.Errorf("generation 2 with other content: %v, want a permanent CONFLICT", err)
	}
	if o, err := f.guard(f.commit).Execute(t.Context(), second); err != nil || o.Generation != 2 {
		t.Errorf("generation 2 of a dead execution: %+v, %v", o, err)
	}
}

func TestAnotherContentsOutcomeIsNoAnswer(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	other := attempt()
	other.Request.Config.Text = "y"
	// The other content's outcome wins while this one works.
	_, err := f.guard(func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		return f.commit(ctx, other)
	}).Execute(t.Context(), attempt())
	if fault.CodeOf(err) != execution.CodeConflict || !fault.IsPermanent(err) {
		t.Errorf("got %v, want a permanent CONFLICT", err)
	}
}

// A holder that lost its lock may write the record until it notices. It must not
// have the last word: nobody would come to correct it.
func TestAStaleHolderDoesNotKeepTheEndFromTheRecord(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	o, err := f.guard(func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		stale, revision, err := f.states.Load(ctx, a.Request.Key())
		if err != nil {
			return execution.Outcome{}, err
		}
		stale.Host = "h2"
		if _, err := f.states.Save(ctx, stale, revision); err != nil {
			return execution.Outcome{}, err
		}
		return f.commit(ctx, a)
	}).Execute(t.Context(), attempt())
	if err != nil {
		t.Fatal(err)
	}
	if r := f.record(t, o.Key); r.State != "SUCCEEDED" || r.Attempt != o.Attempt {
		t.Errorf("record %+v", r)
	}
}

// deaf is an event publisher that fails n times.
type deaf struct {
	guard.Events
	fail atomic.Int32
}

func (d *deaf) Publish(kind string, e execution.Event) func(context.Context) error {
	if kind != execution.EventStarted && d.fail.Add(-1) >= 0 {
		return func(context.Context) error { return errors.New("no responders") }
	}
	return d.Events.Publish(kind, e)
}

func TestAnEndThatWasNotToldIsToldLater(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	events := &deaf{Events: event.New(f.js, bus.SubjectEvent)}
	events.fail.Store(1)
	g := guard.New(f.locks, f.states, f.ledger, f.outcomes, events, execution.ExecutorFunc(f.commit),
		guard.Identity{Executor: execution.OnWorker, Host: "h1"}, guard.Config{MaxAttempts: 3, MaxCrashes: 2})
	if _, err := g.Execute(t.Context(), attempt()); !errors.As(err, new(*execution.BusyError)) {
		t.Fatalf("with the event untold: %v, want busy", err)
	}
	o, err := g.Execute(t.Context(), attempt())
	if err != nil {
		t.Fatal(err)
	}
	report, err := history.Check(t.Context(), f.js, f.outcomes, []execution.Key{o.Key})
	if err != nil || !report.Clean() {
		t.Errorf("history: %+v, %v", report, err)
	}
}

func TestLosingTheServerIsNoCrashOfThisProcess(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	k := attempt().Request.Key()
	left := state.Record{Key: k, State: execution.Running, RequestDigest: attempt().Request.Digest(), Host: "h1"}
	if _, err := f.states.Save(t.Context(), left, 0); err != nil {
		t.Fatal(err)
	}
	again := attempt()
	again.Deliveries = 2
	if _, err := f.guard(f.commit).Execute(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if r := f.record(t, k); r.Crashes != 0 {
		t.Errorf("%d crashes counted", r.Crashes)
	}
}

func TestForeignBytesInTheRecordAreNoConflict(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	kv, err := f.js.KeyValue(t.Context(), bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	// What a server's acknowledgement looks like when somebody had it sent there.
	if _, err := kv.Put(t.Context(), attempt().Request.Key().Path(), []byte(`{"stream":"EXECUTIONS","seq":7}`)); err != nil {
		t.Fatal(err)
	}
	if o, err := f.guard(f.commit).Execute(t.Context(), attempt()); err != nil || o.Kind != execution.Succeeded {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestEarlyAttemptsAreFirstAttempts(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	early := attempt()
	early.Early = true
	var runs atomic.Int32
	failing := f.guard(func(context.Context, execution.Attempt) (execution.Outcome, error) {
		runs.Add(1)
		return execution.Outcome{}, fault.New("INPUT_MISSING", "no such file")
	})
	if _, err := failing.Execute(t.Context(), early); !errors.As(err, new(*execution.RetryError)) {
		t.Fatalf("the first attempt: %v", err)
	}
	if _, err := failing.Execute(t.Context(), early); !errors.As(err, new(*execution.BusyError)) || runs.Load() != 1 {
		t.Errorf("the second, still before its turn: %v after %d runs", err, runs.Load())
	}
	if o, err := f.guard(f.commit).Execute(t.Context(), attempt()); err != nil || o.Number != 2 {
		t.Errorf("in its turn: %+v, %v", o, err)
	}
}

func TestAnEarlyAttemptAtWhatHasEndedDoesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	g := f.guard(f.commit)
	first, err := g.Execute(t.Context(), attempt())
	if err != nil {
		t.Fatal(err)
	}
	before := f.record(t, first.Key)
	early := attempt()
	early.Early = true
	if o, err := g.Execute(t.Context(), early); err != nil || o.Attempt != first.Attempt {
		t.Errorf("%+v, %v", o, err)
	}
	if after := f.record(t, first.Key); after.Updated != before.Updated {
		t.Error("the record was written again")
	}
}

func TestHostsOfTwoStartsDiffer(t *testing.T) {
	t.Parallel()
	if a, b := guard.NewHost(), guard.NewHost(); a == b {
		t.Errorf("both are %s: a crash of one would not be counted by the other", a)
	}
}

// Work that somebody else is at is asked about soon, and less often the longer it takes.
func TestHeldIsLeftAloneEverLonger(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	kv, err := f.js.KeyValue(t.Context(), bus.BucketLocks)
	if err != nil {
		t.Fatal(err)
	}
	f.locks = lock.New(f.js, kv, 30*time.Second, "test")
	lease, err := f.locks.Acquire(t.Context(), attempt().Request.Key().Path())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lease.Release(context.WithoutCancel(t.Context())) }()
	g := f.guard(f.commit)
	for deliveries, want := range map[int]time.Duration{1: 200 * time.Millisecond, 3: 800 * time.Millisecond} {
		a := attempt()
		a.Deliveries = deliveries
		_, err := g.Execute(t.Context(), a)
		if busy, ok := errors.AsType[*execution.BusyError](err); !ok || busy.For != want {
			t.Errorf("delivery %d: %v, want busy for %v", deliveries, err, want)
		}
	}
	a := attempt()
	a.Deliveries = 1 << 30
	_, err = g.Execute(t.Context(), a)
	if busy, ok := errors.AsType[*execution.BusyError](err); !ok || busy.For < time.Second || busy.For > 30*time.Second {
		t.Errorf("%v, want busy until the lock would expire", err)
	}
}
