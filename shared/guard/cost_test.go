package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/state"
)

// delegating is a guard as a bridge has it.
func (f fleet) delegating(next execution.ExecutorFunc, attempts int) *guard.Guard {
	return guard.New(f.locks, f.states, f.ledger, f.outcomes, event.New(f.js, bus.SubjectEvent), next,
		guard.Identity{Executor: execution.OnLambda, Host: "b1", Delegates: true}, guard.Config{MaxAttempts: attempts, MaxCrashes: 2})
}

// history returns what was told of all executions, in order.
func (f fleet) history(t *testing.T) (events []execution.EventData, kinds []string) {
	t.Helper()
	err := bus.Scan(t.Context(), f.js, bus.StreamEvents, bus.Scope{}, func(msg *jetstream.RawStreamMsg) error {
		var e execution.Event
		if err := json.Unmarshal(msg.Data, &e); err != nil {
			return err
		}
		events, kinds = append(events, e.Data), append(kinds, e.Type[len("dev.sagefleet.execution."):])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events, kinds
}

// Whatever comes of an invocation that was billed, one event says what it cost.
func TestWhatWasBilledIsToldOnce(t *testing.T) {
	t.Parallel()
	usage := execution.Usage{BilledMillis: 250, MemoryMB: 1024, CostUSD: 0.25}
	bill := func(err error) error { return &execution.BilledError{Usage: usage, Err: err} }
	failure := fault.New("REMOTE_FAILED", "it failed")
	// overtaken is committed by another while the Lambda is at it.
	overtaken := func(f fleet, ctx context.Context, a execution.Attempt) execution.Outcome {
		a.Token = 9999
		o, err := f.commit(ctx, a)
		if err != nil {
			t.Error(err)
		}
		return o
	}
	tests := map[string]struct {
		next  func(fleet, context.Context, execution.Attempt) (execution.Outcome, error)
		max   int
		kinds []string
		paid  string // the kind that says what it cost
	}{
		"it succeeded": {func(f fleet, ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
			o, err := f.commit(ctx, a)
			o.Usage = &usage
			return o, err
		}, 2, []string{"started", "succeeded"}, "succeeded"},
		"another is due": {func(fleet, context.Context, execution.Attempt) (execution.Outcome, error) {
			return execution.Outcome{}, bill(failure)
		}, 2, []string{"started", "retry"}, "retry"},
		"it was the last": {func(fleet, context.Context, execution.Attempt) (execution.Outcome, error) {
			return execution.Outcome{}, bill(failure)
		}, 1, []string{"started", "dead"}, "dead"},
		"none can succeed": {func(fleet, context.Context, execution.Attempt) (execution.Outcome, error) {
			return execution.Outcome{}, bill(fault.New("REMOTE_REFUSED", "refused").Permanent())
		}, 2, []string{"started", "dead"}, "dead"},
		"it was busy": {func(fleet, context.Context, execution.Attempt) (execution.Outcome, error) {
			return execution.Outcome{}, bill(&execution.BusyError{For: time.Second, Err: failure})
		}, 2, []string{"started", "returned"}, "returned"},
		"the bridge is drained": {func(_ fleet, ctx context.Context, _ execution.Attempt) (execution.Outcome, error) {
			ctx.Value(stopKey{}).(context.CancelFunc)()
			return execution.Outcome{}, bill(failure)
		}, 2, []string{"started", "returned"}, "returned"},
		"the lock is taken away": {func(f fleet, ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
			if err := f.locks.Break(ctx, a.Request.Key().Path()); err != nil {
				t.Error(err)
			}
			<-ctx.Done()
			return execution.Outcome{}, bill(failure)
		}, 2, []string{"started", "returned"}, "returned"},
		"another's outcome stands": {func(f fleet, ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
			o := overtaken(f, ctx, a)
			o.Usage = &usage
			return o, nil
		}, 2, []string{"started", "superseded", "succeeded"}, "superseded"},
		"another's outcome stands when the last failed": {func(f fleet, ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
			overtaken(f, ctx, a)
			return execution.Outcome{}, bill(failure)
		}, 1, []string{"started", "superseded", "succeeded"}, "superseded"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			ctx = context.WithValue(ctx, stopKey{}, stop)
			g := f.delegating(func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) { return tt.next(f, ctx, a) }, tt.max)
			w := &till{}
			g.Watch(w)
			_, _ = g.Execute(ctx, attempt())
			events, kinds := f.history(t)
			if len(kinds) != len(tt.kinds) {
				t.Fatalf("told %v, want %v", kinds, tt.kinds)
			}
			for i, e := range events {
				paid := e.Usage != nil && *e.Usage == usage
				if kinds[i] != tt.kinds[i] || paid != (kinds[i] == tt.paid) {
					t.Errorf("told %s with %+v, want %s", kinds[i], e.Usage, tt.kinds[i])
				}
				if e.Key != attempt().Request.Key() || e.Token == 0 || e.Executor == "" || e.Number != 1 ||
					(e.Reason == "") != (kinds[i] == "started" || kinds[i] == "succeeded") {
					t.Errorf("%s tells %+v", kinds[i], e)
				}
			}
			if w.usd != usage.CostUSD {
				t.Errorf("the watcher was told of %v USD", w.usd)
			}
			report, err := history.Verify(t.Context(), f.js, f.outcomes, history.Options{})
			if err != nil || report.CostUSD != usage.CostUSD {
				t.Errorf("verify says %v USD, %v", report.CostUSD, err)
			}
		})
	}
}

type stopKey struct{}

// till adds up what a watcher is told of costs.
type till struct{ usd float64 }

func (b *till) pay(u *execution.Usage) {
	if u != nil {
		b.usd += u.CostUSD
	}
}
func (b *till) AttemptBegan(string, execution.Attempt) {}
func (b *till) AttemptFailed(_ string, _ execution.Attempt, cause error) {
	b.pay(execution.Billed(cause))
}
func (b *till) ExecutionEnded(_ execution.Attempt, o execution.Outcome) { b.pay(o.Usage) }
func (b *till) AttemptWasted(_ execution.Attempt, cost execution.Usage) { b.pay(&cost) }

// A guard that charged a billed attempt and died before it told of it: whoever has the
// message next tells it.
func TestAChargedAttemptIsToldAfterACrash(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	k := attempt().Request.Key()
	usage := &execution.Usage{BilledMillis: 1, CostUSD: 0.5}
	r := state.Record{Key: k, State: execution.RetryWait, RequestDigest: attempt().Request.Digest(), Failures: 1, Token: 3, Executor: execution.OnLambda,
		Host: "b0", Code: "REMOTE_FAILED", Reason: "it failed", Usage: usage, Updated: time.Now()}
	if _, err := f.states.Save(t.Context(), r, 0); err != nil {
		t.Fatal(err)
	}
	again := attempt()
	again.Deliveries = 2
	if _, err := f.guard(f.commit).Execute(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	events, kinds := f.history(t)
	last := len(events) - 1
	if last < 1 || kinds[0] != "retry" || events[0].Usage == nil || *events[0].Usage != *usage || events[0].Token != 3 || events[last].Usage != nil {
		t.Errorf("told %v %+v", kinds, events)
	}
	if r := f.record(t, k); r.Usage != nil {
		t.Errorf("the record of its end says that it cost %+v", r.Usage)
	}
}

// An attempt has one name from its start to its end, where the guard gives it.
func TestEventsNameTheAttempt(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	fail := errors.New("first")
	var ids []string
	g := f.guard(func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		if ids = append(ids, a.ID); fail != nil {
			err := fail
			fail = nil
			return execution.Outcome{}, err
		}
		return f.outcomes.Commit(ctx, execution.Outcome{Key: a.Request.Key(), Kind: execution.Succeeded, Attempt: a.ID, Number: a.Number,
			Executor: execution.OnWorker, RequestDigest: a.Request.Digest(), Finished: time.Now().UTC()}, nil)
	})
	for range 2 {
		_, _ = g.Execute(t.Context(), attempt())
	}
	events, kinds := f.history(t)
	if len(events) < 3 || kinds[1] != "retry" || len(ids) != 2 || ids[0] == ids[1] {
		t.Fatalf("told %v of %v", kinds, ids)
	}
	for i, e := range events {
		want := ids[0]
		if i > 1 {
			want = ids[1]
		}
		if e.Attempt != want || execution.AttemptToken(e.Attempt) != e.Token {
			t.Errorf("%s of %s, token %d, want of %s", kinds[i], e.Attempt, e.Token, want)
		}
	}
}
