package producer_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/state"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	publish := func(t *testing.T, f fleet, generation int) {
		t.Helper()
		r, err := f.producer.Store(t.Context(), submission())
		if err != nil {
			t.Fatal(err)
		}
		r.Generation = generation
		if err := queue.Publish(t.Context(), f.js, r); err != nil {
			t.Fatal(err)
		}
	}
	dead := execution.Outcome{Key: key(1), Kind: execution.Dead, Number: 5, Fault: &fault.Error{Code: "C", Message: "m"}}
	tests := map[string]struct {
		prepare    func(*testing.T, fleet)
		state      execution.State
		generation int
		attempts   int
		code       fault.Code // of the fault in the status
	}{
		"waits on the queue": {func(t *testing.T, f fleet) { publish(t, f, 0) }, execution.Accepted, 1, 0, ""},
		"waits for its time, and its record is gone": {func(t *testing.T, f fleet) {
			r, err := f.producer.Store(t.Context(), submission())
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.js.Publish(t.Context(), bus.SubjectLater(r.Key()), data); err != nil {
				t.Fatal(err)
			}
		}, execution.Accepted, 1, 0, ""},
		"runs": {func(t *testing.T, f fleet) {
			publish(t, f, 0)
			f.record(t, state.Record{Key: key(1), State: execution.Running, Failures: 1})
		}, execution.Running, 1, 2, ""},
		"waits for another attempt": {func(t *testing.T, f fleet) {
			f.record(t, state.Record{Key: key(1), State: execution.RetryWait, Failures: 2, Code: "INPUT_MISSING", Reason: "not there [INPUT_MISSING]"})
		}, execution.RetryWait, 1, 2, "INPUT_MISSING"},
		"ended": {func(t *testing.T, f fleet) {
			f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Succeeded, Number: 1})
		}, "SUCCEEDED", 1, 1, ""},
		"ended, and its record says otherwise": {func(t *testing.T, f fleet) {
			f.record(t, state.Record{Key: key(1), State: execution.Running})
			f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Succeeded, Number: 1})
		}, "SUCCEEDED", 1, 1, ""},
		"dead": {func(t *testing.T, f fleet) { f.commit(t, dead) }, "DEAD", 1, 5, "C"},
		"dead, and its own message is not acknowledged yet": {func(t *testing.T, f fleet) {
			publish(t, f, 0)
			f.commit(t, dead)
		}, "DEAD", 1, 5, "C"},
		"redriven and waiting": {func(t *testing.T, f fleet) {
			f.commit(t, dead)
			publish(t, f, 2)
		}, execution.Accepted, 2, 0, ""},
		"redriven and running": {func(t *testing.T, f fleet) {
			f.commit(t, dead)
			f.record(t, state.Record{Key: key(2), State: execution.Running})
		}, execution.Running, 2, 1, ""},
		"redriven and ended": {func(t *testing.T, f fleet) {
			f.commit(t, dead)
			f.commit(t, execution.Outcome{Key: key(2), Kind: execution.Succeeded, Number: 1})
		}, "SUCCEEDED", 2, 1, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			tt.prepare(t, f)
			s, err := f.tracker.Status(t.Context(), "m", "e1")
			if err != nil {
				t.Fatal(err)
			}
			if s.Key != key(tt.generation) || s.State != tt.state || s.Attempts != tt.attempts {
				t.Errorf("%s is %s after %d attempts, want %s %s after %d", s.Key, s.State, s.Attempts, key(tt.generation), tt.state, tt.attempts)
			}
			switch {
			case s.Fault == nil && tt.code != "", s.Fault != nil && s.Fault.Code != tt.code:
				t.Errorf("the fault is %v, want %s", s.Fault, tt.code)
			case s.State == execution.RetryWait && s.Fault.Error() != "not there [INPUT_MISSING]":
				t.Errorf("the fault reads %q", s.Fault)
			}
			if s.State == execution.Accepted && s.Enqueued.IsZero() {
				t.Error("it isn't said since when it waits")
			}
		})
	}
}

func TestStatusTellsWhatARunCost(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Succeeded})
	usage := &execution.Usage{BilledMillis: 120, MemoryMB: 512, CostUSD: 0.00001}
	f.record(t, state.Record{Key: key(1), State: execution.Succeeded.Terminal(), Usage: usage})
	s, err := f.tracker.Status(t.Context(), "m", "e1")
	if diff := cmp.Diff(usage, s.Usage); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestStatusOfWhatIsNowhere(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if _, err := f.tracker.Status(t.Context(), "m", "e1"); fault.CodeOf(err) != producer.CodeUnknown {
		t.Errorf("never submitted: %v", err)
	}
	if _, err := f.producer.Store(t.Context(), submission()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.tracker.Status(t.Context(), "m", "e1"); fault.CodeOf(err) != producer.CodeNotPublished {
		t.Errorf("stored and not published: %v", err)
	}
	if _, err := f.tracker.Status(t.Context(), "other", "e1"); fault.CodeOf(err) != producer.CodeUnknown {
		t.Errorf("in another mailbox: %v", err)
	}
	if _, err := f.tracker.Status(t.Context(), "m", "../x"); fault.CodeOf(err) != execution.CodeID {
		t.Errorf("with an id that is a path: %v", err)
	}
}
