package reconcile_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/reconcile"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

// lose makes a bucket anew, as after a copy was put back that has nothing yet.
func (f fleet) lose(t *testing.T, bucket string) {
	t.Helper()
	if err := f.js.DeleteKeyValue(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	if err := bus.Provision(t.Context(), f.js, f.server.Config); err != nil {
		t.Fatal(err)
	}
}

// overtake writes more to a bucket than was in it.
func (f fleet) overtake(t *testing.T, bucket string) {
	t.Helper()
	for i := range 100 {
		if _, err := f.js.Publish(t.Context(), "$KV."+bucket+".stranger."+strconv.Itoa(i), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
}

func sweep(t *testing.T, r *reconcile.Reconciler) reconcile.Summary {
	t.Helper()
	time.Sleep(3 * time.Millisecond) // more than the grace period
	done, err := r.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// A bucket that lost its end and went on is as long as before, or longer: what it has that
// was over, or recorded, is found all the same.
func TestARestoredBucketThatWentOnIsReadAnew(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	r := f.reconciler(t, "h1", config)
	for i := range 5 {
		k := request("before" + strconv.Itoa(i))
		f.delegate(t, k, long)
		f.record(t, k, execution.Succeeded.Terminal())
	}
	if done := sweep(t, r); done.Closed != 5 || done.Records != 5 {
		t.Fatalf("at first %+v", done)
	}
	for _, bucket := range []string{bus.BucketDelegations, bus.BucketState} {
		f.lose(t, bucket)
	}
	f.delegate(t, request("again"), long)
	f.record(t, request("again"), execution.Running)
	for _, bucket := range []string{bus.BucketDelegations, bus.BucketState} {
		f.overtake(t, bucket)
	}
	done := sweep(t, r)
	if done.Closed != 1 || done.Records != 1 || done.Suspects != 1 {
		t.Errorf("then %+v; want the one delegation closed, and the one record suspect", done)
	}
	if e, _, err := f.ledger(t).Load(t.Context(), request("again").Key()); err != nil || e.State != delegation.Expired {
		t.Errorf("its entry is %+v: %v", e, err)
	}
	if done := sweep(t, r); done.Records != 0 || done.Closed != 0 {
		t.Errorf("and then %+v; want nothing read twice", done)
	}
}

// Whoever leaves an end to its message looks again: messages get lost.
func TestAnEndWhoseMessageGetsLostIsCompleted(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	r := f.reconciler(t, "h1", config)
	f.publish(t, f.submit(t, "e1"))
	f.commit(t, request("e1"), execution.Dead)
	f.record(t, request("e1"), execution.Dead.Terminal())
	if done := sweeps(t, r, 3); done.Repaired != 0 || done.Suspects != 1 {
		t.Errorf("while its message waits: %+v", done)
	}
	stream, err := f.js.Stream(t.Context(), bus.StreamExecutions)
	if err == nil {
		err = stream.DeleteMsg(t.Context(), 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	if done := sweeps(t, r, 3); done.Repaired != 1 || done.Suspects != 0 {
		t.Errorf("without it: %+v", done)
	}
	if _, err := queue.ReadLetter(t.Context(), f.js, "ventas", "e1", 1); err != nil {
		t.Error(err)
	}
}
