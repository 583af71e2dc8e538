package queue_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

func publishRange(t *testing.T, js jetstream.JetStream, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := queue.Publish(t.Context(), js, request(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// counting runs an overflow consumer that counts what it takes.
func counting(t *testing.T, js jetstream.JetStream) (*queue.Consumer, *atomic.Int32) {
	t.Helper()
	var taken atomic.Int32
	bridge := queue.NewOverflow(js, ackWait, 4, config)
	run(t, bridge, func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		taken.Add(1)
		return succeed(a)
	})
	return bridge, &taken
}

func TestOverflowTakesOnlyAboveTheTap(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	bridge, taken := counting(t, js)
	publishRange(t, js, 0, 10)
	time.Sleep(100 * time.Millisecond)
	if n := taken.Load(); n != 0 {
		t.Fatalf("%d taken with the tap shut", n)
	}
	bridge.Tap(queue.Opening{MinPending: 4}) // more than 3
	eventually(t, "7 of 10 taken", func() bool { return taken.Load() == 7 })
	time.Sleep(100 * time.Millisecond)
	if b := backlog(t, js); b.Waiting != 3 {
		t.Errorf("%d wait, want 3", b.Waiting)
	}
	bridge.Tap(queue.Opening{})
	time.Sleep(50 * time.Millisecond) // the waiting pull is withdrawn
	publishRange(t, js, 10, 20)
	time.Sleep(100 * time.Millisecond)
	if n := taken.Load(); n != 7 {
		t.Errorf("%d taken after the tap was shut", n)
	}
	bridge.Tap(queue.Opening{MinPending: 1})
	eventually(t, "everything taken", func() bool { return taken.Load() == 20 })
}

// A pull that waits with one minimum is replaced when the minimum changes: in a small
// part of the half minute that it would have waited.
func TestTapChangesWhatAWaitingPullAsksFor(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	bridge, taken := counting(t, js)
	bridge.Tap(queue.Opening{MinPending: 100})
	publishRange(t, js, 0, 10)
	time.Sleep(100 * time.Millisecond) // it waits
	bridge.Tap(queue.Opening{MinPending: 8})
	eventually(t, "3 of 10 taken", func() bool { return taken.Load() == 3 })
	bridge.Tap(queue.Opening{MinPending: 50})
	time.Sleep(100 * time.Millisecond)
	publishRange(t, js, 10, 20)
	time.Sleep(100 * time.Millisecond)
	if n := taken.Load(); n != 3 {
		t.Errorf("%d taken, want 3: 17 wait, and the tap asks for 50", n)
	}
}

// Whom the oldest is late takes the oldest, not all that wait behind it.
func TestTapLimitsHowManyAreTaken(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	bridge, taken := counting(t, js)
	publishRange(t, js, 0, 10)
	for round := range int32(3) {
		bridge.Tap(queue.Opening{MinPending: 1, Most: 1})
		eventually(t, "one more taken", func() bool { return taken.Load() == round+1 })
		time.Sleep(50 * time.Millisecond)
		if n := taken.Load(); n != round+1 {
			t.Fatalf("%d taken after %d openings for one", n, round+1)
		}
	}
}

// A tap that is turned all the time loses nothing: what the server sends while a pull
// is withdrawn is executed at once: the wait for an acknowledgement is longer than this test.
func TestTurningTheTapLosesNothing(t *testing.T) {
	t.Parallel()
	const n, patience = 300, 10 * time.Minute
	s := bustest.Run(t)
	s.Config.AckWait = patience
	js := s.Connect(t, "test")
	if err := bus.Provision(t.Context(), js, s.Config); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	taken := map[string]int{}
	bridge := queue.NewOverflow(js, patience, 4, config)
	run(t, bridge, func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		taken[a.Request.ID]++
		return succeed(a)
	})
	done := make(chan struct{})
	var turning sync.WaitGroup
	turning.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				bridge.Tap(queue.Opening{MinPending: i % 3})
			}
		}
	})
	publishRange(t, js, 0, n)
	close(done)
	turning.Wait()
	bridge.Tap(queue.Opening{MinPending: 1})
	eventually(t, "all taken and acknowledged", func() bool { return backlog(t, js) == queue.Backlog{} })
	for id, times := range taken {
		if times > 1 {
			t.Errorf("%s was executed %d times", id, times)
		}
	}
	if len(taken) != n {
		t.Errorf("%d executed, want %d", len(taken), n)
	}
}

func TestUsageTellsFreeSlotsFromThoseBeingFilled(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	release := make(chan struct{})
	w := queue.NewWorker(js, ackWait, queue.Slots{Fleet: 2, Local: 1}, config)
	run(t, w, func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		<-release
		return succeed(a)
	})
	is := func(busy, free int) func() bool {
		return func() bool { u := w.Usage(); return u.Busy == busy && u.Free == free && u.Slots == 2 }
	}
	eventually(t, "both free", is(0, 2))
	<-w.Changed() // they became free
	publishRange(t, js, 0, 1)
	eventually(t, "one free", is(1, 1))
	publishRange(t, js, 1, 2)
	eventually(t, "none free", is(2, 0))
	select {
	case <-w.Changed():
	case <-time.After(5 * time.Second):
		t.Fatal("nobody was told that no slot is free")
	}
	publishRange(t, js, 2, 40)
	for range 30 { // what is filled at once was never free
		release <- struct{}{}
		if u := w.Usage(); u.Free > 0 {
			t.Fatalf("while work waits: %+v", u)
		}
	}
	close(release)
	eventually(t, "both free again", is(0, 2))
	if u := w.Usage(); u.FreeFor < 50*time.Millisecond {
		t.Errorf("%+v", u)
	}
}
