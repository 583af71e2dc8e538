package guard_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/guard"
)

// executed executes a as who, which works so, and returns what was told of it.
func (f fleet) executed(t *testing.T, who guard.Identity, a execution.Attempt, work execution.ExecutorFunc) (events []execution.EventData, kinds []string) {
	t.Helper()
	g := guard.New(f.locks, f.states, f.ledger, f.outcomes, event.New(f.js, bus.SubjectEvent), work, who, guard.Config{MaxAttempts: 3, MaxCrashes: 2})
	if _, err := g.Execute(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	all, of := f.history(t)
	for i, e := range all {
		if e.ID == a.Request.ID {
			events, kinds = append(events, e), append(kinds, of[i])
		}
	}
	return events, kinds
}

// Of work that is soon done one event tells all, of other work two.
func TestAStartIsToldOnItsOwnWhenItCouldBeWatched(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	worker := guard.Identity{Executor: execution.OnWorker, Host: "h1"}
	why := &execution.Why{Rule: execution.RuleSlot}
	both := []string{execution.EventStarted, execution.EventSucceeded}

	slowly := func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		time.Sleep(400 * time.Millisecond)
		return f.commit(ctx, a)
	}

	long := attempt()
	if _, kinds := f.executed(t, worker, long, slowly); !slices.Equal(kinds, both) {
		t.Errorf("of long work %v was told, want %v", kinds, both)
	}
	overflow := attempt()
	overflow.Request.ID, overflow.ID = "overflow", "1-A"
	if _, kinds := f.executed(t, guard.Identity{Executor: execution.OnLambda, Host: "b1", Delegates: true}, overflow, f.commit); !slices.Equal(kinds, both) {
		t.Errorf("of a Lambda's work %v was told, want %v", kinds, both)
	}

	direct := attempt()
	direct.Request.ID = "direct"
	if _, kinds := f.executed(t, guard.Identity{Executor: execution.OnLambda, Host: "l1"}, direct, f.commit); !slices.Equal(kinds, both) {
		t.Errorf("of a Lambda's work that was asked of it directly %v was told, want %v", kinds, both)
	}
	overtaken := attempt()
	overtaken.Request.ID = "overtaken"
	if _, kinds := f.executed(t, worker, overtaken, func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		a.Token = 9999 // another commits first
		return f.commit(ctx, a)
	}); !slices.Equal(kinds, both) {
		t.Errorf("of work whose end is another's %v was told, want %v", kinds, both)
	}

	const tries = 5 // on a machine that hesitates none may be short
	for i := range tries {
		short := attempt()
		short.Request.ID, short.Why = fmt.Sprintf("short-%d", i), why
		events, kinds := f.executed(t, worker, short, f.commit)
		if len(events) > 1 && i < tries-1 {
			continue
		}
		if !slices.Equal(kinds, both[1:]) || events[0].Why == nil || *events[0].Why != *why || events[0].Number != 1 {
			t.Errorf("of short work %v was told, %+v", kinds, events)
		}
		return
	}
}
