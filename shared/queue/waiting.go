package queue

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// Waiting calls see with each request whose message is on the queue, at a sequence
// from from on, and with when it was accepted. They wait or are in flight. It takes nothing from the
// queue; what will be refused it passes over. It returns the sequence of the last
// message that it looked at, 0 when there was none.
func Waiting(ctx context.Context, js jetstream.JetStream, from uint64, see func(execution.Attempt) error) (last uint64, err error) {
	err = bus.Scan(ctx, js, bus.StreamExecutions, bus.Scope{From: from}, func(raw *jetstream.RawStreamMsg) error {
		last = raw.Sequence
		m, err := readStored(raw)
		if err != nil {
			return nil //nolint:nilerr // it will be refused
		}
		return see(m.attempt)
	})
	return last, err
}
