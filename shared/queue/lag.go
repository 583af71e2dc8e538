package queue

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// Backlog is how much work there is, by where it stands.
type Backlog struct {
	Waiting  uint64 `json:"waiting"`   // nobody has it yet
	InFlight int    `json:"in_flight"` // with a worker or the bridge
	Local    uint64 `json:"local"`     // waiting, for workers only
	Later    uint64 `json:"later"`     // retries that wait for their time
	Dead     uint64 `json:"dead"`      // dead letters
}

// Lag counts the backlog.
func Lag(ctx context.Context, js jetstream.JetStream) (Backlog, error) {
	var b Backlog
	for _, name := range []string{bus.ConsumerFleet, bus.ConsumerLocal} {
		consumer, err := js.Consumer(ctx, bus.StreamExecutions, name)
		if err != nil {
			return b, fmt.Errorf("consumer %s: %w", name, err)
		}
		info := consumer.CachedInfo()
		b.InFlight += info.NumAckPending
		if name == bus.ConsumerLocal {
			b.Local = info.NumPending
		} else {
			b.Waiting = info.NumPending
		}
	}
	for name, count := range map[string]*uint64{bus.StreamLater: &b.Later, bus.StreamDead: &b.Dead} {
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return b, fmt.Errorf("stream %s: %w", name, err)
		}
		*count = stream.CachedInfo().State.Msgs
	}
	return b, nil
}
