package guard

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
)

// Open returns a Guard around next over the fleet's own buckets.
func Open(ctx context.Context, js jetstream.JetStream, fleet bus.Config, outcomes *outcome.Store,
	next execution.Executor, who Identity, cfg Config) (*Guard, error) {
	locks, err := js.KeyValue(ctx, bus.BucketLocks)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketLocks, err)
	}
	states, err := js.KeyValue(ctx, bus.BucketState)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketState, err)
	}
	return New(lock.New(js, locks, fleet.LockTTL(), who.Host), state.New(js, states, cfg.StateTTL),
		outcomes, event.New(js, bus.SubjectEvent), next, who, cfg), nil
}
