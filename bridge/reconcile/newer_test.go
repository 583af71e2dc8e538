package reconcile_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/reconcile"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// What only newer programs can read is neither published without what isn't known of it,
// nor called stranded, nor closed; and it keeps nobody from the rest.
func TestWhatNewerProgramsWroteIsNotRepaired(t *testing.T) {
	t.Parallel()
	objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, objects)
	put := func(key, text string) {
		t.Helper()
		if _, err := objects.Put(t.Context(), key, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 { // more than the errors that end a sweep
		r := request("stored" + string(rune('a'+i)))
		f.record(t, r, execution.RetryWait)
		put(intake.RequestKey(r.Mailbox, r.ID), `{"version":2,"execution_id":"`+r.ID+`","mailbox":"ventas","parts":[]}`)
	}
	left := request("left") // published by hand, and on its way from one worker to another
	f.record(t, left, execution.RetryWait)
	if _, err := f.js.Publish(t.Context(), bus.SubjectLeft(left.Mailbox, left.ID, 7), []byte(`{"version":2}`)); err != nil {
		t.Fatal(err)
	}
	f.delegate(t, request("ended"), long)
	put(outcome.Path(request("ended").Key()), `{"version":2,"mailbox":"ventas","execution_id":"ended","generation":1}`+"\n")
	f.delegate(t, request("handed"), long)
	f.delegate(t, request("silent"), long)
	delegations := bucket(t, f.js, bus.BucketDelegations)
	entry, err := delegations.Get(t.Context(), request("handed").Key().Path())
	if err != nil {
		t.Fatal(err)
	}
	newer := append(bytes.TrimSuffix(entry.Value(), []byte("}")), `,"version":2}`...)
	if _, err := delegations.Put(t.Context(), entry.Key(), newer); err != nil {
		t.Fatal(err)
	}
	known := f.submit(t, "known")
	f.record(t, known, execution.RetryWait)

	r := f.reconciler(t, "h1", config)
	total, closed := reconcile.Summary{}, 0
	for range 3 {
		time.Sleep(3 * time.Millisecond) // more than the grace period
		done, err := r.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		total.Requeued += done.Requeued
		total.Stranded += done.Stranded
		closed += done.Closed
	}
	if total.Requeued != 1 || total.Stranded != 0 || closed != 1 {
		t.Errorf("%d published again, %d stranded, %d closed; want one that is known, none, and the silent one", total.Requeued, total.Stranded, closed)
	}
	if e, err := delegations.Get(t.Context(), entry.Key()); err != nil || !bytes.Equal(e.Value(), newer) {
		t.Errorf("the entry is %s, %v", e.Value(), err)
	}
}
