package lock_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/lock"
)

func open(t *testing.T, js jetstream.JetStream, owner string) *lock.Locker {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), bus.BucketLocks)
	if err != nil {
		t.Fatal(err)
	}
	return lock.New(js, kv, time.Second, owner)
}

func acquire(t *testing.T, l *lock.Locker, name string) *lock.Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func TestAcquireIsExclusive(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	var won atomic.Int32
	done := make(chan error)
	for range 16 {
		go func() {
			_, err := open(t, js, "racer").Acquire(t.Context(), "m.e.1")
			if err == nil {
				won.Add(1)
			}
			done <- err
		}()
	}
	for range 16 {
		if err := <-done; err != nil {
			held, ok := errors.AsType[*lock.HeldError](err)
			if !ok || held.Owner != "racer" || held.Remaining <= 0 || held.Remaining > time.Second {
				t.Errorf("loser got %v", err)
			}
		}
	}
	if won.Load() != 1 {
		t.Errorf("%d of 16 hold the lock", won.Load())
	}
}

func TestReleaseLetsTheNextIn(t *testing.T) {
	t.Parallel()
	l := open(t, bustest.Start(t), "a")
	first := acquire(t, l, "m.e.1")
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if second := acquire(t, l, "m.e.1"); second.Token <= first.Token {
		t.Errorf("token %d after %d: a later holder must have a larger one", second.Token, first.Token)
	}
}

func TestRenewedLeaseOutlivesItsTTLAndThenExpires(t *testing.T) {
	t.Parallel()
	l := open(t, bustest.Start(t), "a")
	lease := acquire(t, l, "m.e.1")
	for range 4 { // 2 s in all: a renewal that dropped the TTL, or none, would show
		time.Sleep(500 * time.Millisecond)
		if err := lease.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Acquire(t.Context(), "m.e.1"); err == nil {
		t.Fatal("a renewed lock was taken")
	}
	deadline := time.Now().Add(4 * time.Second)
	for {
		if _, err := l.Acquire(t.Context(), "m.e.1"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an abandoned lock never expired")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := lease.Renew(t.Context()); !errors.Is(err, lock.ErrLost) {
		t.Errorf("stale Renew: %v, want ErrLost", err)
	}
	if err := lease.Release(t.Context()); !errors.Is(err, lock.ErrLost) {
		t.Errorf("stale Release: %v, want ErrLost", err)
	}
}

func TestKeepHoldsOnAndNoticesLoss(t *testing.T) {
	t.Parallel()
	l := open(t, bustest.Start(t), "a")
	lease := acquire(t, l, "m.e.1")
	held, stop := lease.Keep(t.Context())
	defer stop()
	time.Sleep(2500 * time.Millisecond)
	if held.Err() != nil {
		t.Fatalf("lost while kept: %v", context.Cause(held))
	}
	if err := l.Break(t.Context(), "m.e.1"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held.Done():
		if !errors.Is(context.Cause(held), lock.ErrLost) {
			t.Errorf("cause %v, want ErrLost", context.Cause(held))
		}
	case <-time.After(3 * time.Second):
		t.Error("the loss went unnoticed")
	}
}

// What never expires, because somebody else wrote it or the server forgot, holds nobody up
// for longer than twice a lock's time; one that is renewed is left alone.
func TestWhatOutlivesItsTimeIsRemoved(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketLocks)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "m.stale.1", "gone nonce"); err != nil { // without a TTL
		t.Fatal(err)
	}
	kept := acquire(t, open(t, js, "holder"), "m.kept.1")
	held, stop := kept.Keep(t.Context())
	defer stop()
	l := open(t, js, "other")
	began := time.Now()
	for time.Since(began) < 4*time.Second {
		_, stale := l.Acquire(t.Context(), "m.stale.1")
		if stale == nil {
			break
		}
		if h, ok := errors.AsType[*lock.HeldError](stale); !ok || h.Owner != "gone" && h.Owner != "nobody any more" {
			t.Fatal(stale)
		}
		if _, err := l.Acquire(t.Context(), "m.kept.1"); !errors.As(err, new(*lock.HeldError)) && held.Err() == nil {
			t.Fatalf("a lock that is renewed: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if took := time.Since(began); took < 2*time.Second || took >= 4*time.Second {
		t.Errorf("what is no lock was removed after %v, want 2 s", took)
	}
}
