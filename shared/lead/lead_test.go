package lead_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/lead"
	"github.com/sagefleet/sagefleet/shared/lock"
)

// One of several leads; when it goes, another takes over.
func TestAnotherTakesOver(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketFleet)
	if err != nil {
		t.Fatal(err)
	}
	begin := func(host string) (does *atomic.Bool, stop func()) {
		does = new(atomic.Bool)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- lead.Run(ctx, lock.New(js, kv, 3*time.Second, host), func(ctx context.Context) error {
				does.Store(true)
				<-ctx.Done()
				does.Store(false)
				return nil
			})
		}()
		return does, func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	leads := func(host string, does *atomic.Bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			entry, err := kv.Get(t.Context(), lead.Name)
			if err == nil && strings.HasPrefix(string(entry.Value()), host+" ") && does.Load() {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s never leads", host)
			}
		}
	}
	first, stopFirst := begin("h1")
	leads("h1", first)
	second, stopSecond := begin("h2")
	time.Sleep(100 * time.Millisecond)
	if second.Load() {
		t.Error("two lead")
	}
	stopFirst()
	leads("h2", second)
	stopSecond()
	if first.Load() || second.Load() {
		t.Error("a duty goes on after the lead")
	}
}

// A duty that ends is no reason to lead on without it.
func TestADutyThatEndsBeginsAnew(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketFleet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	times := 0
	err = lead.Run(ctx, lock.New(js, kv, 3*time.Second, "h1"),
		func(ctx context.Context) error { <-ctx.Done(); return nil },
		func(context.Context) error {
			if times++; times == 2 {
				stop()
			}
			return nil
		})
	if err != nil || times != 2 {
		t.Errorf("done %d times: %v", times, err)
	}
}
