package reconcile_test

import (
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/storage"
)

func (f fleet) ledger(t *testing.T) *delegation.Ledger {
	return delegation.New(f.js, bucket(t, f.js, bus.BucketDelegations), stateTTL)
}

// delegate leaves an entry that nobody closed.
func (f fleet) delegate(t *testing.T, r execution.Request, expiry time.Time) {
	t.Helper()
	e := delegation.Entry{Key: r.Key(), Token: 7, Number: 1, State: delegation.Invoked, Function: "sage", Bridge: "gone", Mode: delegation.ModeSync,
		ReservedUSD: 0.01, Invoked: long.Add(-time.Hour), Expiry: expiry, Updated: long}
	if _, err := f.ledger(t).Save(t.Context(), e, 0); err != nil {
		t.Fatal(err)
	}
}

func TestDelegationsOfDeadBridgesAreClosed(t *testing.T) {
	t.Parallel()
	objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := newFleet(t, objects)
	now := time.Now().UTC()
	f.commit(t, request("ended"), execution.Succeeded)
	f.delegate(t, request("ended"), now.Add(time.Hour))
	f.delegate(t, request("silent"), long)
	f.delegate(t, request("running"), now.Add(time.Hour))
	r := f.reconciler(t, "h1", config)
	closed := func() (n int) {
		done, err := r.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return done.Closed
	}
	if n := closed() + closed(); n != 2 {
		t.Errorf("closed %d, want 2", n)
	}
	for id, want := range map[string]delegation.State{"ended": delegation.Ended, "silent": delegation.Expired, "running": delegation.Invoked} {
		if e, _, err := f.ledger(t).Load(t.Context(), request(id).Key()); err != nil || e.State != want || e.Billed != nil {
			t.Errorf("%s: %+v, %v; want %s", id, e, err, want)
		}
	}
	f.commit(t, request("running"), execution.Succeeded)
	if n := closed(); n != 1 {
		t.Errorf("then closed %d, want the one that ended", n)
	}
	other := f.reconciler(t, "h2", config) // remembers nothing
	if done, err := other.Sweep(t.Context()); err != nil || done.Closed != 0 {
		t.Errorf("another closed %d: %v", done.Closed, err)
	}
}
