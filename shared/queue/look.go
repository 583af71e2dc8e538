package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// Depth is what an overflow policy wants to know of the queue.
type Depth struct {
	Pending    int           // nobody has it yet
	AckPending int           // with workers and bridges
	HeadAge    time.Duration // since the oldest that waits was accepted; 0 when none waits
}

// Look asks the server how deep the queue is, and since when its head waits.
func Look(ctx context.Context, js jetstream.JetStream) (Depth, error) {
	consumer, err := js.Consumer(ctx, bus.StreamExecutions, bus.ConsumerFleet)
	if err != nil {
		return Depth{}, fmt.Errorf("consumer %s: %w", bus.ConsumerFleet, err)
	}
	info := consumer.CachedInfo()
	d := Depth{Pending: int(info.NumPending), AckPending: info.NumAckPending} //nolint:gosec // far below 2^63
	if d.Pending == 0 {
		return d, nil
	}
	stream, err := js.Stream(ctx, bus.StreamExecutions)
	if err != nil {
		return d, fmt.Errorf("stream %s: %w", bus.StreamExecutions, err)
	}
	head, err := stream.GetMsg(ctx, info.Delivered.Stream+1, jetstream.WithGetMsgSubject(bus.ExecFilter))
	if errors.Is(err, jetstream.ErrMsgNotFound) { // it was taken meanwhile
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("head of %s: %w", bus.StreamExecutions, err)
	}
	d.HeadAge = max(time.Since(acceptedAt(head.Header.Get(headerEnqueued), head.Time)), time.Millisecond)
	return d, nil
}
