package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/state"
)

// settle makes record and event say what o says, with whatever happens between
// the look at the record and its change.
func (f fleet) settle(ctx context.Context, o execution.Outcome, meanwhile func()) error {
	events := meddler{event.New(f.js, bus.SubjectEvent), meanwhile}
	r, revision, err := f.states.Load(ctx, o.Key)
	if err != nil {
		return err
	}
	return guard.NewEnding(f.states, events, "ana").Settle(ctx, r, revision, o)
}

// meddler does something each time an event is told.
type meddler struct {
	guard.Events
	meddle func()
}

func (m meddler) Publish(kind string, e execution.Event) func(context.Context) error {
	m.meddle()
	return m.Events.Publish(kind, e)
}

// cancel commits that the attempt under way is cancelled.
func (f fleet) cancel(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	return f.outcomes.Commit(ctx, execution.Outcome{Key: a.Request.Key(), Kind: execution.Cancelled,
		Attempt: execution.NewAttemptID(0), Executor: execution.ByOperator, Host: "ana", RequestDigest: a.Request.Digest(),
		Fault: fault.New("CANCELLED", "not needed any more"), Finished: time.Now().UTC()}, nil)
}

// told returns the events there are, by id.
func (f fleet) told(t *testing.T) map[string]execution.EventData {
	t.Helper()
	stream, err := f.js.Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]execution.EventData{}
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		msg, err := stream.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		var e execution.Event
		if err := json.Unmarshal(msg.Data, &e); err != nil {
			t.Fatal(err)
		}
		if _, twice := events[e.ID]; twice {
			t.Errorf("%s was stored twice", e.ID)
		}
		events[e.ID] = e.Data
	}
	return events
}

// TestAnEndSaysHowLargeItsFilesWere: what is planned from events needs it.
func TestAnEndSaysHowLargeItsFilesWere(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	o := execution.Outcome{Key: attempt().Request.Key(), Kind: execution.Succeeded, Attempt: execution.NewAttemptID(1), Number: 1,
		Inputs: []execution.File{{Name: "a", Size: 40}, {Name: "b", Size: 2}}, Finished: time.Now().UTC()}
	if err := f.settle(t.Context(), o, func() {}); err != nil {
		t.Fatal(err)
	}
	events := f.told(t)
	if len(events) != 1 {
		t.Fatalf("%d events of one end", len(events))
	}
	for _, e := range events {
		if e.InputBytes != 42 {
			t.Errorf("%d bytes; the files have 42", e.InputBytes)
		}
	}
}

func TestACancellerStopsTheWorkAndTheRecordSaysSo(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	k := attempt().Request.Key()
	g := f.guard(func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		o, err := f.cancel(ctx, a)
		if err != nil {
			t.Error(err)
		}
		if err := f.settle(ctx, o, func() {}); err != nil {
			t.Error(err)
		}
		if err := f.locks.Break(ctx, k.Path()); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		return execution.Outcome{}, context.Cause(ctx)
	})
	if _, err := g.Execute(t.Context(), attempt()); !errors.As(err, new(*execution.BusyError)) {
		t.Fatalf("%v, want busy", err)
	}
	if r := f.record(t, k); r.State != "CANCELLED" || r.Code != "CANCELLED" || r.Host != "ana" {
		t.Errorf("record %+v", r)
	}
	again := attempt()
	again.Deliveries = 2
	o, err := f.guard(f.commit).Execute(t.Context(), again)
	if err != nil || o.Kind != execution.Cancelled {
		t.Errorf("delivered again: %+v, %v", o, err)
	}
	ends := 0
	for id, data := range f.told(t) {
		if data.State.Terminal() {
			ends++
			if data.State != "CANCELLED" || data.Code != "CANCELLED" || data.Attempt != o.Attempt || data.Token != 0 {
				t.Errorf("%s says %+v", id, data)
			}
		}
	}
	if ends != 1 {
		t.Errorf("%d ends were told, want 1", ends)
	}
}

func TestSettleInsistsWhenTheRecordChangesMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	o, err := f.cancel(t.Context(), attempt())
	if err != nil {
		t.Fatal(err)
	}
	meddle := func() { // a worker that knows nothing of the outcome
		r := state.Record{Key: o.Key, State: execution.Running, Host: "h1"}
		if _, err := f.states.Save(t.Context(), r, 0); err != nil {
			t.Error(err)
		}
	}
	if err := f.settle(t.Context(), o, meddle); err != nil {
		t.Fatal(err)
	}
	if r := f.record(t, o.Key); r.State != "CANCELLED" || r.Attempt != o.Attempt {
		t.Errorf("record %+v", r)
	}
	if n := len(f.told(t)); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// Without a message nobody repeats it: what is recorded was told.
func TestAloneTheRecordWaitsForTheEvent(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	o, err := f.cancel(t.Context(), attempt())
	if err != nil {
		t.Fatal(err)
	}
	away := errors.New("the server is away")
	settle := func(events guard.Events) error {
		r, revision, err := f.states.Load(t.Context(), o.Key)
		if err != nil {
			t.Fatal(err)
		}
		return guard.NewEnding(f.states, events, "ana").SettleAlone(t.Context(), r, revision, o)
	}
	if err := settle(mute{away}); !errors.Is(err, away) {
		t.Errorf("%v, want %v", err, away)
	}
	if r := f.record(t, o.Key); r.State != "" {
		t.Errorf("recorded and not told: %+v", r)
	}
	if err := settle(event.New(f.js, bus.SubjectEvent)); err != nil {
		t.Fatal(err)
	}
	if r := f.record(t, o.Key); r.State != "CANCELLED" || len(f.told(t)) != 1 {
		t.Errorf("record %+v, told %v", r, f.told(t))
	}
}

// mute is a server that stores no event.
type mute struct{ err error }

func (m mute) Publish(string, execution.Event) func(context.Context) error {
	return func(context.Context) error { return m.err }
}

func TestReopenTellsOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	second := execution.Key{Mailbox: "ventas", ID: "e1", Generation: 2}
	who := guard.Identity{Executor: execution.ByOperator, Host: "ana"}
	for range 2 {
		if err := guard.Reopen(t.Context(), f.states, event.New(f.js, bus.SubjectEvent), who, second, "digest", "the store is back"); err != nil {
			t.Fatal(err)
		}
	}
	want := state.Record{Key: second, State: execution.Accepted, RequestDigest: "digest"}
	if r := f.record(t, second); r.Key != want.Key || r.State != want.State || r.RequestDigest != want.RequestDigest || r.Enqueued.IsZero() {
		t.Errorf("record %+v", r)
	}
	events := f.told(t)
	e := events["ventas:e1:2:redriven:0:"]
	if len(events) != 1 || e.From != 1 || e.Reason != "the store is back" || e.Executor != execution.ByOperator {
		t.Errorf("told %+v", events)
	}
}
