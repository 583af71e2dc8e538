package guard

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
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
	delegations, err := js.KeyValue(ctx, bus.BucketDelegations)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketDelegations, err)
	}
	return New(lock.New(js, locks, fleet.LockTTL(), who.Host), state.New(js, states, cfg.StateTTL),
		delegation.New(js, delegations, cfg.StateTTL), outcomes, event.New(js, bus.SubjectEvent), next, who, cfg), nil
}

// NewHost names this process: machine, process id, and a part that no other start
// has, because a container that is started again has the machine and the id of the
// one that crashed.
func NewHost() string {
	machine, err := os.Hostname()
	if err != nil {
		machine = "unnamed"
	}
	return fmt.Sprintf("%s-%d-%s", machine, os.Getpid(), strings.ToLower(rand.Text()[:6]))
}
