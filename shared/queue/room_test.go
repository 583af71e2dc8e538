package queue_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// TestRoom: a governed consumer takes no more than it has room for; the rest stays on
// the queue, untouched.
func TestRoom(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	var limit, taken atomic.Int32
	limit.Store(2)
	let := make(chan struct{})
	bridge := queue.NewOverflow(js, ackWait, 8, config)
	bridge.Govern(func(taken int) int { return int(limit.Load()) - taken })
	bridge.Tap(queue.Opening{MinPending: 1})
	run(t, bridge, func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		taken.Add(1)
		select {
		case <-let:
		case <-ctx.Done():
		}
		return succeed(a)
	})
	for i := range 10 {
		if err := queue.Publish(t.Context(), js, request(i)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "2 taken", func() bool { return taken.Load() == 2 })
	time.Sleep(200 * time.Millisecond)
	if b := backlog(t, js); taken.Load() != 2 || b.Waiting != 8 || b.InFlight != 2 {
		t.Fatalf("%d taken with room for 2, %+v", taken.Load(), b)
	}
	limit.Store(0)
	let <- struct{}{}
	let <- struct{}{}
	time.Sleep(200 * time.Millisecond)
	if b := backlog(t, js); taken.Load() != 2 || b.Waiting != 8 {
		t.Errorf("%d taken without room, %+v", taken.Load(), b)
	}
	limit.Store(8)
	eventually(t, "8 at once", func() bool { return taken.Load() == 10 })
	close(let)
	eventually(t, "queue empty", func() bool { return backlog(t, js) == queue.Backlog{} })
}
