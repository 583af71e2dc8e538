package producer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/state"
)

func TestWaitFollowsTheRecord(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	running := state.Record{Key: key(1), State: execution.Running, Executor: execution.OnWorker}
	f.record(t, running)
	begin := time.Now()
	var seen []execution.State
	s, err := f.tracker.Wait(t.Context(), key(1), func(s producer.Status) {
		seen = append(seen, s.State)
		if len(seen) > 1 {
			return
		}
		f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Succeeded, Number: 1})
		_, revision, err := f.states.Load(t.Context(), key(1))
		if err != nil {
			t.Error(err)
		}
		ended := running
		ended.State = execution.Succeeded.Terminal()
		if _, err := f.states.Save(t.Context(), ended, revision); err != nil {
			t.Error(err)
		}
	})
	if err != nil || s.State != execution.Succeeded.Terminal() {
		t.Fatalf("ended as %+v: %v", s, err)
	}
	if len(seen) != 1 || seen[0] != execution.Running {
		t.Errorf("saw %v, want RUNNING", seen)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %v: it was the poll that found the end", took)
	}
}

func TestWaitFindsAnOutcomeWithoutARecord(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	time.AfterFunc(100*time.Millisecond, func() { f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Cancelled}) })
	s, err := f.tracker.Wait(t.Context(), key(1), nil)
	if err != nil || s.State != execution.Cancelled.Terminal() {
		t.Errorf("ended as %+v: %v", s, err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.record(t, state.Record{Key: key(1), State: execution.Running})
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	s, err := f.tracker.Wait(ctx, key(1), func(producer.Status) { cancel(enough) })
	if !errors.Is(err, enough) || s.State != execution.Running {
		t.Errorf("returned %+v and %v, want what was last seen and the cause", s, err)
	}
}
