package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// fleet is what a ledger is rebuilt of.
type fleet struct {
	js       jetstream.JetStream
	outcomes *outcome.Store
	ending   *guard.Ending
}

func newFleet(t *testing.T) fleet { t.Helper(); return fleetOf(t, bustest.Start(t)) }

func fleetOf(t *testing.T, js jetstream.JetStream) fleet {
	t.Helper()
	objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	return fleet{js, outcome.New(objects), guard.NewEnding(state.New(js, kv, time.Hour), event.New(js, bus.SubjectEvent), "host-9")}
}

// end commits an outcome and has it told as the fleet does.
func (f fleet) end(t *testing.T, k execution.Key, kind execution.Kind, executor string) {
	t.Helper()
	o := execution.Outcome{Key: k, Kind: kind, Attempt: "7-A", Number: 1, Executor: executor, Host: "host-1", RequestDigest: "d",
		Sender: "ana", Method: "mail", Inputs: []execution.File{{Name: "Ventas " + k.ID + ".csv", Size: 42}},
		Enqueued: noon, Started: noon.Add(2 * time.Second), Finished: noon.Add(3 * time.Second)}
	if kind == execution.Succeeded {
		o.Summary = &execution.Summary{Status: "Parcial", Records: 10, Errors: 2, Warnings: 1}
	} else {
		o.Fault = fault.New("INPUT_MISSING", "no object \x00 %s", k.ID)
	}
	if _, err := f.outcomes.Commit(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	if executor == execution.OnLambda {
		o.Usage = &execution.Usage{BilledMillis: 1000, MemoryMB: 512, CostUSD: 0.00001}
	}
	if err := f.ending.Settle(t.Context(), state.Record{Key: k}, 0, o); err != nil {
		t.Fatal(err)
	}
}

// contents are all rows and timelines.
func contents(t *testing.T, l *ledger.Ledger) map[string][]any {
	t.Helper()
	all := map[string][]any{}
	for cursor := ""; ; {
		page, err := l.List(t.Context(), ledger.Filter{}, cursor, ledger.MaxPage)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Executions {
			events, err := l.Events(t.Context(), e.Key)
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, name := range append(e.Files, e.ID) {
				hits, err := l.List(t.Context(), ledger.Filter{Prefix: name}, "", 10)
				if err != nil {
					t.Fatal(err)
				}
				found += len(hits.Executions)
			}
			all[e.String()] = []any{e, events, found}
		}
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// work lets a fleet do all kinds of things.
func work(t *testing.T, f fleet) {
	t.Helper()
	for i := range 30 {
		k := execution.Key{Mailbox: "ventas", ID: fmt.Sprintf("e-%02d", i), Generation: 1}
		kind, executor := execution.Succeeded, execution.OnWorker
		if i%5 == 0 {
			kind = execution.Dead
		}
		if i%3 == 0 {
			executor = execution.OnLambda
		}
		publish(t, f.js, life(k.Mailbox, k.ID, noon, kind, executor)[0])
		f.end(t, k, kind, executor)
	}
	dead := execution.Key{Mailbox: "ventas", ID: "e-05", Generation: 1}
	publish(t, f.js, redrive(dead, noon.Add(time.Hour)))
	dead.Generation = 2
	f.end(t, dead, execution.Succeeded, execution.OnWorker)
	publish(t, f.js, life("ventas", "running", noon, execution.Succeeded, execution.OnWorker)[0])
	for generation := range 2 {
		dead.Generation = generation + 1
		if _, err := f.outcomes.Erase(t.Context(), dead, execution.Erasure{At: noon.Add(3 * time.Hour), By: "ana", Reason: "asked for"}); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, f.js, execution.NewEvent(execution.EventErased, "ana", noon.Add(3*time.Hour), execution.EventData{Key: dead, State: "SUCCEEDED", Attempt: "7-A", Token: 7,
		Executor: execution.ByOperator, Reason: "asked for"}))
	if _, err := f.js.Publish(t.Context(), bus.SubjectEvent("ventas", "started"), []byte("poison")); err != nil {
		t.Fatal(err)
	}
	r := execution.Request{ID: "waiting", Mailbox: "ventas", Config: execution.Config{Text: "x"}, Inputs: []execution.Input{{URI: "file:///x", Filename: "x.csv"}}}
	if err := queue.Publish(t.Context(), f.js, r); err != nil {
		t.Fatal(err)
	}
}

func rebuild(t *testing.T, l *ledger.Ledger, f fleet, opts ledger.RebuildOptions) ledger.Rebuilt {
	t.Helper()
	got, err := l.Rebuild(t.Context(), f.js, f.outcomes, opts)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A ledger that is built again, over one that stands or from nothing, says what the
// other said. Over one that stands it keeps what nobody else knows any more.
func testRebuilt(t *testing.T, l *ledger.Ledger, another func() *ledger.Ledger) {
	f := newFleet(t)
	work(t, f)
	p := project(t, l, f.js)
	eventually(t, "all is there", func() bool {
		return p.Progress().Behind == 0 && len(states(t, l)) == 32 && states(t, l)["waiting"] != ""
	})
	want := contents(t, l)
	if len(want) != 33 {
		t.Fatalf("%d generations, want 33", len(want))
	}

	done := rebuild(t, l, f, ledger.RebuildOptions{Forget: true})
	if diff := cmp.Diff(want, contents(t, l)); diff != "" {
		t.Errorf("rebuilt in its place (-want +got):\n%s", diff)
	}
	if done.Executions != 33 || done.Outcomes != 31 || done.Skipped != 1 || done.Waiting != 1 {
		t.Errorf("built of %+v", done)
	}
	lost := another()
	rebuild(t, lost, f, ledger.RebuildOptions{})
	if diff := cmp.Diff(want, contents(t, lost)); diff != "" {
		t.Errorf("built from nothing (-want +got):\n%s", diff)
	}

	// When the stream has forgotten, the ledger that stands has not.
	stream, err := f.js.Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	rebuild(t, l, f, ledger.RebuildOptions{})
	if diff := cmp.Diff(want, contents(t, l)); diff != "" {
		t.Errorf("rebuilt after the stream has forgotten (-want +got):\n%s", diff)
	}

	// Outcomes alone say all but what it cost, what has not ended, and when it was told.
	rebuild(t, l, f, ledger.RebuildOptions{Forget: true})
	for name, rest := range contents(t, l) {
		got, before := rest[0].(ledger.Execution), want[name][0].(ledger.Execution)
		before.Updated, before.CostUSD, before.BilledMillis, before.RedrivenAs = got.Updated, 0, 0, 0
		if got.Generation == 2 { // nobody told of its begin: the ledger took who told of its end for who worked
			before.Host = got.Host
		}
		if diff := cmp.Diff(before, got); diff != "" {
			t.Errorf("built of outcomes alone (-want +got):\n%s", diff)
		}
	}
	if n := len(contents(t, l)); n != 32 { // without the one that was running
		t.Errorf("%d generations are known of outcomes and the queue, want 32", n)
	}
}

// Rebuilding fails without harm, also while another one is at it.
func testRebuildFails(t *testing.T, l *ledger.Ledger) {
	f := newFleet(t)
	work(t, f)
	record(t, l, life("ventas", "before", noon, execution.Succeeded, execution.OnWorker)...)
	want := contents(t, l)
	broken := errors.New("the storage is down")
	_, err := l.Rebuild(t.Context(), f.js, outcome.New(unreadable{err: broken}), ledger.RebuildOptions{})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff(want, contents(t, l)); diff != "" {
		t.Errorf("a rebuild that failed changed something (-want +got):\n%s", diff)
	}
	rebuild(t, l, f, ledger.RebuildOptions{})
	if len(contents(t, l)) != 34 {
		t.Errorf("%d generations, want 34", len(contents(t, l)))
	}
}

// unreadable is a store that can't be listed.
type unreadable struct {
	storage.Store
	err error
}

func (u unreadable) List(context.Context, string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) { yield(storage.Info{}, u.err) }
}
