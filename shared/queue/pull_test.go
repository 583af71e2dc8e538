package queue

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
)

// watched is a context that the standard library doesn't know: each that is derived from
// it has a goroutine until it is cancelled, which can be counted.
type watched struct {
	context.Context
	done chan struct{}
}

func (w watched) Done() <-chan struct{} { return w.done }

// A bridge pulls anew four times a second, for months: a pull leaves nothing behind.
func TestAPullLeavesNothingBehind(t *testing.T) {
	js := bustest.Start(t)
	consumer, err := js.Consumer(t.Context(), bus.StreamExecutions, bus.ConsumerFleet)
	if err != nil {
		t.Fatal(err)
	}
	for name, room := range map[string]room{"with room": func(int) int { return 1 }, "without": nil} {
		p := pump{js: js, tap: newTap(), room: room, used: &usage{}}
		ctx := watched{t.Context(), make(chan struct{})}
		minPending := 1 << 20
		p.tap.set(Opening{MinPending: minPending})
		pull := func() {
			minPending++ // to the same nothing is set
			withdrawn := Opening{MinPending: minPending}
			time.AfterFunc(time.Millisecond, func() { p.tap.set(withdrawn) })
			if _, err := p.pullOverflow(ctx, consumer, 1, func(jetstream.Msg) { t.Error("there is nothing to take") }); err != nil {
				t.Fatal(err)
			}
		}
		pull()
		const pulls = 30
		before := runtime.NumGoroutine()
		for range pulls {
			pull()
		}
		left := pulls
		for deadline := time.Now().Add(10 * time.Second); left >= pulls/3 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			left = runtime.NumGoroutine() - before
		}
		if left >= pulls/3 {
			t.Errorf("%s: %d goroutines after %d pulls", name, left, pulls)
		}
		close(ctx.done)
	}
}
