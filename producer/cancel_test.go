package producer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

// cancelled checks what a cancellation must leave behind, whatever it found.
func cancelled(t *testing.T, f fleet, id string, generation int) {
	t.Helper()
	k := execution.Key{Mailbox: "m", ID: id, Generation: generation}
	o, err := f.outcomes.Read(t.Context(), k)
	if err != nil || o.Kind != execution.Cancelled || o.Host != "ana" || o.Fault == nil || o.Fault.Message != "cancelled by ana: not needed" {
		t.Fatalf("outcome %+v, %v", o, err)
	}
	if r, _, err := f.states.Load(t.Context(), k); err != nil || r.State != "CANCELLED" || r.Attempt != o.Attempt {
		t.Errorf("record %+v, %v", r, err)
	}
	waitEmpty(t, f)
	told := f.told(t, execution.EventCancelled)
	if len(told) != 1 || told[0].Data.Key != k || told[0].Data.Attempt != o.Attempt || told[0].Data.Code != string(producer.CodeCancelled) {
		t.Errorf("told %+v", told)
	}
	if n := len(f.told(t, execution.EventSucceeded)); n != 0 {
		t.Errorf("%d successes were told", n)
	}
}

func (f fleet) submit(t *testing.T) execution.Request {
	t.Helper()
	r, err := f.producer.Submit(t.Context(), submission())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCancelWhatWaits(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*testing.T, fleet){
		"submitted": func(t *testing.T, f fleet) { f.submit(t) },
		"published by other means": func(t *testing.T, f fleet) {
			const body = `{"yaml_config":"x","input_files":[{"uri":"file:///x","filename":"a.csv"}]}`
			if _, err := f.js.Publish(t.Context(), bus.SubjectExec("m", "e1"), []byte(body)); err != nil {
				t.Fatal(err)
			}
		},
		"stored by a submission that was interrupted": func(t *testing.T, f fleet) {
			if _, err := f.producer.Store(t.Context(), submission()); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, prepare := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			prepare(t, f)
			for n := range 2 {
				c, err := f.operator(t).Cancel(t.Context(), "m", "e1", "not needed", false)
				if err != nil || c.Key != key(1) || c.State != "CANCELLED" || c.Already != (n > 0) {
					t.Fatalf("time %d: %+v, %v", n+1, c, err)
				}
			}
			f.work(t, true, func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
				t.Error("it was executed")
				return f.succeed(ctx, a)
			})
			cancelled(t, f, "e1", 1)
		})
	}
}

func TestCancelWhatWaitsForARetry(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.submit(t)
	f.work(t, false, func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, errors.New("the store is away")
	})
	f.wait(t, "e1", 1, execution.RetryWait)
	if c, err := f.operator(t).Cancel(t.Context(), "m", "e1", "not needed", false); err != nil || c.Was != execution.RetryWait {
		t.Fatalf("%+v, %v", c, err)
	}
	cancelled(t, f, "e1", 1)
	if o, err := f.outcomes.Read(t.Context(), key(1)); err != nil || o.Number != 1 {
		t.Errorf("after %d attempts (%v), want 1", o.Number, err)
	}
}

func TestCancelStopsWorkUnderWay(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.submit(t)
	stopped := make(chan error, 1)
	f.work(t, true, func(ctx context.Context, _ execution.Attempt) (execution.Outcome, error) {
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
		}
		stopped <- context.Cause(ctx)
		return execution.Outcome{}, context.Cause(ctx)
	})
	f.wait(t, "e1", 1, execution.Running)
	if c, err := f.operator(t).Cancel(t.Context(), "m", "e1", "not needed", false); err != nil || c.Was != execution.Running {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := <-stopped; err == nil {
		t.Error("nobody stopped the work")
	}
	cancelled(t, f, "e1", 1)
}

// A Lambda can't be stopped: it ends its work, and loses.
func TestCancelWinsOverWorkThatCannotBeStopped(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.submit(t)
	may, lost := make(chan struct{}), make(chan execution.Outcome, 1)
	f.work(t, true, func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		<-may
		o, err := f.succeed(context.WithoutCancel(ctx), a)
		lost <- o
		return o, err
	})
	f.wait(t, "e1", 1, execution.Running)
	if _, err := f.operator(t).Cancel(t.Context(), "m", "e1", "not needed", false); err != nil {
		t.Fatal(err)
	}
	close(may)
	if o := <-lost; o.Kind != execution.Cancelled {
		t.Errorf("the work committed %s", o.Kind)
	}
	cancelled(t, f, "e1", 1)
}

func TestCancelARedrive(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	r, err := f.producer.Store(t.Context(), submission())
	if err != nil {
		t.Fatal(err)
	}
	f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Dead, RequestDigest: r.Digest()})
	op := f.operator(t)
	if _, err := op.Redrive(t.Context(), "m", "e1", 0, "", false); err != nil {
		t.Fatal(err)
	}
	if c, err := op.Cancel(t.Context(), "m", "e1", "not needed", false); err != nil || c.Key != key(2) {
		t.Fatalf("%+v, %v", c, err)
	}
	f.work(t, true, f.succeed)
	cancelled(t, f, "e1", 2)
	if d, err := op.Redrive(t.Context(), "m", "e1", 0, "", false); err != nil || !d.Already || d.State != "CANCELLED" {
		t.Errorf("redriven again: %+v, %v", d, err)
	}
}

func TestCancelChangesNothingOnceItEnded(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*testing.T, fleet)
		dryRun  bool
		state   execution.State
		code    fault.Code
	}{
		"unknown": {func(*testing.T, fleet) {}, false, "", producer.CodeUnknown},
		"succeeded": {func(t *testing.T, f fleet) {
			f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Succeeded})
		}, false, "SUCCEEDED", ""},
		"dead": {func(t *testing.T, f fleet) {
			f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Dead})
		}, false, "DEAD", ""},
		"a dry run": {func(t *testing.T, f fleet) { f.submit(t) }, true, "CANCELLED", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			tt.prepare(t, f)
			before := f.messages(t)
			c, err := f.operator(t).Cancel(t.Context(), "m", "e1", "not needed", tt.dryRun)
			if c.State != tt.state || c.Already != (err == nil && !tt.dryRun) || tt.code == "" && err != nil || tt.code != "" && fault.CodeOf(err) != tt.code {
				t.Errorf("%+v, %v", c, err)
			}
			if diff := cmp.Diff(before, f.messages(t)); diff != "" {
				t.Errorf("something changed: %s", diff)
			}
			if _, err := f.outcomes.Read(t.Context(), key(1)); tt.dryRun && !errors.Is(err, outcome.ErrNone) {
				t.Errorf("an outcome stands: %v", err)
			}
		})
	}
}

// Whatever wins, all that is written says the same.
func TestCancelRacesTheEnd(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	started, may := make(chan struct{}, 100), make(chan struct{})
	f.work(t, true, func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		started <- struct{}{}
		<-may
		return f.succeed(ctx, a)
	})
	ids := []string{"a", "b", "c", "d"}
	for _, id := range ids {
		s := submission()
		s.ID = id
		if _, err := f.producer.Submit(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		<-started
	}
	op := f.operator(t)
	done := make(chan producer.Cancelled, len(ids))
	for _, id := range ids {
		go func() {
			c, err := op.Cancel(t.Context(), "m", id, "not needed", false)
			if err != nil {
				t.Error(err)
			}
			done <- c
		}()
	}
	close(may)
	for range ids {
		c := <-done
		o, err := f.outcomes.Read(t.Context(), c.Key)
		if err != nil || o.Kind.Terminal() != c.State || c.Already != (o.Kind != execution.Cancelled) {
			t.Errorf("told %+v, stored %s (%v)", c, o.Kind, err)
		}
		f.wait(t, c.ID, 1, c.State)
	}
	waitEmpty(t, f)
	for _, id := range ids {
		k := execution.Key{Mailbox: "m", ID: id, Generation: 1}
		o, err := f.outcomes.Read(t.Context(), k)
		r, _, err2 := f.states.Load(t.Context(), k)
		if err != nil || err2 != nil || r.State != o.Kind.Terminal() || r.Attempt != o.Attempt {
			t.Errorf("%s: record %s by %s, outcome %s by %s", id, r.State, r.Attempt, o.Kind, o.Attempt)
		}
	}
}
