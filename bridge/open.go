package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/bridge/books"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/lead"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Open returns a Bridge called host that forwards to the Lambda of calls by way of
// client, keeps the books and its share of the budget, and leads if no other does. It
// opens the fleet's buckets and starts nothing.
func Open(ctx context.Context, js jetstream.JetStream, objects storage.Store, fleet bus.Config,
	client remote.Invoker, host string, cfg Config, calls remote.Config, opts ...Option) (*Bridge, error) {
	if err := errors.Join(calls.Validate(), cfg.Budget.Validate(calls.MaxCost())); err != nil {
		return nil, err
	}
	if local := &cfg.Overflow.Local; local.Run == 0 {
		local.Run = calls.Timeout / 5 * 4
	}
	buckets := map[string]jetstream.KeyValue{}
	for _, name := range []string{bus.BucketBudget, bus.BucketDelegations} {
		kv, err := js.KeyValue(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("open bucket %s: %w", name, err)
		}
		buckets[name] = kv
	}
	ledger := delegation.New(js, buckets[bus.BucketDelegations], cfg.Guard.StateTTL)
	store := shares.NewBucket(buckets[bus.BucketBudget])
	member := shares.NewMember(store, cfg.Budget, calls.MaxCost(), cfg.Slots, host, cfg.Shares)
	accounts := books.New(ledger, member, host, calls.Function, cmp.Or(calls.Mode, remote.Sync), calls.MaxCost())
	counted := &ends{books: accounts, by: map[delegation.State]uint64{}}
	lambda, err := remote.New(client, outcome.New(objects), calls, remote.WithBooks(counted))
	if err != nil {
		return nil, err
	}
	governor := lambda.Governor()
	member.OnShared(func(bridges int) { governor.SetShare(1 / float64(bridges)) })
	b, err := New(ctx, js, objects, fleet, lambda, host, cfg, append([]Option{WithGovernor(governor), WithGate(member), WithRoom(member.Room)}, opts...)...)
	if err != nil {
		return nil, err
	}
	b.member, b.ends = member, counted
	members, err := js.KeyValue(ctx, bus.BucketFleet)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketFleet, err)
	}
	b.memory = &memory{js: js, kv: members, function: calls.Function, counts: b.counts}
	b.duties = append(b.duties, shares.NewLead(store, ledger, cfg.Budget, host, cfg.Shares).Run, b.memory.keep)
	return b, nil
}

// lead does what one of the bridges does for all, while it is this one.
func (b *Bridge) lead(ctx context.Context) error {
	if len(b.duties) == 0 && !b.repairs.On() {
		<-ctx.Done()
		return nil
	}
	duties := append([]lead.Duty{b.repairs.Run}, b.duties...)
	return lead.Run(ctx, b.leases, duties...)
}
