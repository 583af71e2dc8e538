package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/state"
)

// delegated writes what a bridge leaves that died while a Lambda worked: a record
// that says RUNNING there, and an entry in the ledger.
func (f fleet) delegated(t *testing.T, change func(*delegation.Entry)) {
	t.Helper()
	now := time.Now().UTC()
	k := attempt().Request.Key()
	if _, err := f.states.Save(t.Context(), state.Record{Key: k, State: execution.Running, RequestDigest: attempt().Request.Digest(),
		Executor: execution.OnLambda, Host: "dead-bridge", Started: now, Updated: now}, 0); err != nil {
		t.Fatal(err)
	}
	e := delegation.Entry{Key: k, Token: 1, Number: 1, State: delegation.Invoked, Function: "sage", Bridge: "dead-bridge",
		Mode: delegation.ModeSync, Invoked: now.Add(-4 * time.Second), Expiry: now.Add(time.Minute), Updated: now}
	change(&e)
	if _, err := f.ledger.Save(t.Context(), e, 0); err != nil {
		t.Fatal(err)
	}
}

// replaceEntry has the entry of k say something else.
func (f fleet) replaceEntry(t *testing.T, k execution.Key, fields string) {
	t.Helper()
	kv, err := f.js.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	e, err := kv.Get(t.Context(), k.Path())
	if err == nil {
		_, err = kv.Put(t.Context(), k.Path(), append(bytes.TrimSuffix(e.Value(), []byte("}")), ","+fields+"}"...))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (f fleet) counting(who guard.Identity, runs *int) *guard.Guard {
	return guard.New(f.locks, f.states, f.ledger, f.outcomes, event.New(f.js, bus.SubjectEvent),
		execution.ExecutorFunc(func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
			*runs++
			return f.commit(ctx, a)
		}), who, guard.Config{MaxAttempts: 3, MaxCrashes: 2})
}

func TestALiveInvocationIsWaitedForWhileTheDeadlineAllows(t *testing.T) {
	t.Parallel()
	worker := guard.Identity{Executor: execution.OnWorker, Host: "w"}
	bridge := guard.Identity{Executor: execution.OnLambda, Host: "b", Delegates: true}
	const far = 30 * time.Second
	tests := map[string]struct {
		entry      func(*delegation.Entry)
		newer      string        // instead of an entry that this version writes
		deadline   time.Duration // from now; 0 is none
		deliveries int
		who        guard.Identity
		waits      bool
		local      bool // it is left to workers
	}{
		"no deadline":                   {deliveries: 2, who: worker, waits: true},
		"a deadline far away":           {deadline: far, deliveries: 2, who: worker, waits: true},
		"a new message of the same":     {deliveries: 1, who: worker, waits: true},
		"an answer that was lost":       {entry: func(e *delegation.Entry) { e.State = delegation.Unknown }, deliveries: 2, who: worker, waits: true},
		"it must begin to be in time":   {deadline: time.Second, deliveries: 2, who: worker},
		"a bridge never asks twice":     {deadline: time.Second, deliveries: 2, who: bridge, waits: true, local: true},
		"a bridge with time enough":     {deadline: far, deliveries: 2, who: bridge, waits: true},
		"it can't be running any more":  {entry: func(e *delegation.Entry) { e.Expiry = e.Invoked.Add(time.Second) }, deliveries: 2, who: bridge},
		"a newer bridge's":              {newer: `"state":"invoked","version":2`, deliveries: 2, who: bridge, waits: true},
		"a state of newer bridges":      {newer: `"state":"paused"`, deliveries: 2, who: worker, waits: true},
		"it failed":                     {entry: func(e *delegation.Entry) { e.State = delegation.Failed }, deliveries: 2, who: bridge},
		"it never ran":                  {entry: func(e *delegation.Entry) { e.State = delegation.Refused }, deliveries: 2, who: worker},
		"another generation's, or none": {entry: func(e *delegation.Entry) { e.Generation = 2 }, deliveries: 2, who: worker},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.delegated(t, func(e *delegation.Entry) {
				if tt.entry != nil {
					tt.entry(e)
				}
			})
			a := attempt()
			longest := 2 * time.Second
			if tt.newer != "" {
				longest = 5 * time.Second
				f.replaceEntry(t, a.Request.Key(), tt.newer)
			}
			a.Deliveries = tt.deliveries
			if tt.deadline > 0 {
				a.Request.Deadline = time.Now().Add(tt.deadline)
			}
			runs := 0
			g := f.counting(tt.who, &runs)
			_, err := g.Execute(t.Context(), a)
			if !tt.waits {
				if err != nil || runs != 1 {
					t.Errorf("ran %d times: %v, want once", runs, err)
				}
				return
			}
			busy, ok := errors.AsType[*execution.BusyError](err)
			if !ok || runs != 0 {
				t.Fatalf("ran %d times: %v, want it to wait", runs, err)
			}
			if busy.Local != tt.local {
				t.Errorf("left to workers: %v, want %v", busy.Local, tt.local)
			}
			if busy.For < 250*time.Millisecond || busy.For > longest {
				t.Errorf("stays away for %v, 4 s after the invocation", busy.For)
			}
			if held, err := f.locks.Held(t.Context(), a.Request.Key().Path()); err != nil || held {
				t.Errorf("the lock is held while it waits: %v, %v", held, err)
			}
			if r := f.record(t, a.Request.Key()); r.Crashes != 0 || r.Failures != 0 || r.Host != "dead-bridge" {
				t.Errorf("waiting was charged: %+v", r)
			}
			a.Token = 1 // what the Lambda commits under
			o, err := f.commit(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			answered, err := g.Execute(t.Context(), a)
			if err != nil || answered.Attempt != o.Attempt || runs != 0 {
				t.Errorf("answered %+v after %d runs: %v", answered, runs, err)
			}
		})
	}
}

// Who works learns how long it takes, and leaves that much time before a deadline.
func TestTheLatestStartIsLearnt(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	runs := 0
	g := f.counting(guard.Identity{Executor: execution.OnWorker, Host: "w"}, &runs)
	f.delegated(t, func(*delegation.Entry) {})
	late := attempt()
	late.Deliveries, late.Request.Deadline = 2, time.Now().Add(2500*time.Millisecond)
	for i := range 40 { // executions of no time at all
		a := attempt()
		a.Request.ID = fmt.Sprintf("quick%d", i)
		if _, err := g.Execute(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	runs = 0
	if _, err := g.Execute(t.Context(), late); errors.As(err, new(*execution.BusyError)) == false || runs != 0 {
		t.Errorf("ran %d times: %v, want it to wait: there is time enough", runs, err)
	}
}
