// Package bridge takes executions that wait too long off the queue and has AWS
// Lambda carry them out.
//
// It does not poll to decide: the server hands it a message only while the
// policy's minimum waits. While the Lambda works, the bridge holds the message
// and the lock, and it settles by the outcome that stands afterwards. One of the
// bridges also reconciles.
package bridge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/governor"
	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/bridge/reconcile"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/lead"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/machine"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Config is everything a bridge can be told besides how to reach the Lambda.
type Config struct {
	// Slots is how many invocations may be under way at once.
	Slots int `env:"BRIDGE_SLOTS" envDefault:"100"`

	Overflow  overflow.Config
	Queue     queue.Config
	Guard     guard.Config
	Reconcile reconcile.Config
	Budget    budget.Config
	Shares    shares.Config
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	if c.Slots < 1 {
		return settings.Invalid("BRIDGE_SLOTS", c.Slots, "1 or more")
	}
	return errors.Join(c.Overflow.Validate(), c.Queue.Validate(), c.Guard.Validate(), c.Reconcile.Validate(c.Guard.StateTTL), c.Shares.Validate())
}

// Bridge forwards overflow and repairs what crashes left.
type Bridge struct {
	host     string
	started  time.Time
	slots    int
	js       jetstream.JetStream
	consumer *queue.Consumer
	guard    *guard.Guard
	next     execution.Executor // what is taken off the queue
	repairs  *reconcile.Reconciler
	fleet    *heartbeat.Fleet
	beats    *heartbeat.Sender
	meter    Meter // of beats; the steerer has its own
	counts   *counts
	steerer  *steerer
	herald   *herald
	ends     *ends
	member   *shares.Member // nil without a budget
	memory   *memory        // nil without a Lambda of its own
	leases   *lock.Locker
	rooms    []func(taken int) int
	duties   []lead.Duty // of the lead, besides repairs
}

// Governor says how much the Lambda takes; see package governor.
type Governor interface {
	Gate
	// Room is how many more executions may be taken by whoever has taken so many that
	// have not ended.
	Room(taken int) int
	// Limit is how many invocations may be under way at once.
	Limit() int
	// Throttled reports whether some are being refused.
	Throttled() bool
	Stats() governor.Stats
}

// Option changes a Bridge.
type Option func(*Bridge)

// WithGovernor has g decide how much is taken off the queue.
func WithGovernor(g Governor) Option {
	return func(b *Bridge) {
		b.rooms = append(b.rooms, g.Room)
		b.steerer.observe.governor = g
		b.steerer.gates = append(b.steerer.gates, g)
	}
}

// Meter measures how busy the machine is; see package machine.
type Meter interface {
	Sample(context.Context) machine.Usage
}

// WithMeter has m measure instead of the bridge's own meters.
func WithMeter(m Meter) Option {
	return func(b *Bridge) { b.meter, b.steerer.observe.meter = m, m }
}

// WithGate has the bridge take nothing while g is shut.
func WithGate(g Gate) Option { return func(b *Bridge) { b.steerer.gates = append(b.steerer.gates, g) } }

// Watcher is told what comes of the executions that the bridge has; see package telemetry.
type Watcher interface {
	guard.Watcher
	queue.Watcher
}

// WithWatcher has w told.
func WithWatcher(w Watcher) Option {
	return func(b *Bridge) {
		b.consumer.Watch(w)
		b.guard.Watch(w)
	}
}

// WithRoom has the bridge take only as many more executions as room allows to whoever has
// taken so many that have not ended.
func WithRoom(room func(taken int) int) Option {
	return func(b *Bridge) { b.rooms = append(b.rooms, room) }
}

// New returns a Bridge called host whose executions remote carries out. It opens
// the fleet's buckets and starts nothing.
func New(ctx context.Context, js jetstream.JetStream, objects storage.Store, fleet bus.Config,
	remote execution.Executor, host string, cfg Config, opts ...Option) (*Bridge, error) {
	members, err := js.KeyValue(ctx, bus.BucketFleet)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketFleet, err)
	}
	depth, err := queue.OpenGauge(ctx, js)
	if err != nil {
		return nil, fmt.Errorf("open bridge: %w", err)
	}
	b := &Bridge{host: host, started: time.Now().UTC(), slots: cfg.Slots, js: js, counts: &counts{decided: map[decided]uint64{}},
		ends: &ends{by: map[delegation.State]uint64{}}, meter: machine.NewMeter(),
		consumer: queue.NewOverflow(js, fleet.AckWait, cfg.Slots, cfg.Queue), beats: heartbeat.NewSender(js, members),
		leases: lock.New(js, members, cfg.Shares.Lease, host)}
	b.fleet = heartbeat.NewFleet(members, b.heard)
	b.herald = &herald{publish: b.publish, data: b.told}
	b.steerer = &steerer{policy: overflow.New(cfg.Overflow), tap: b.consumer.Tap, tell: b.herald.see, wake: make(chan struct{}, 1),
		observe: &observer{queue: depth, fleet: b.fleet, host: host, counts: b.counts, meter: machine.NewMeter()}}
	who := guard.Identity{Executor: execution.OnLambda, Host: host, Delegates: true}
	events := event.New(js, bus.SubjectEvent)
	g, err := guard.Open(ctx, js, fleet, outcome.New(objects), b.delegated(remote, events), who, cfg.Guard)
	if err != nil {
		return nil, fmt.Errorf("open bridge: %w", err)
	}
	b.guard, b.next = g, b.taken(g, cfg.Overflow.Local, events)
	if b.repairs, err = reconcile.New(ctx, js, objects, fleet, cfg.Guard.StateTTL, host, cfg.Reconcile); err != nil {
		return nil, fmt.Errorf("open reconciler: %w", err)
	}
	for _, opt := range opts {
		opt(b)
	}
	if len(b.rooms) > 0 {
		b.consumer.Govern(b.room)
	}
	return b, nil
}

// Bound reports whether the bridge can take messages off the queue.
func (b *Bridge) Bound(ctx context.Context) error { return b.consumer.Bound(ctx) }

// Usage is how many executions the bridge may hold, and holds.
func (b *Bridge) Usage() queue.Usage { return b.consumer.Usage() }

// room is the least that any allows.
func (b *Bridge) room(taken int) int {
	least := math.MaxInt
	for _, room := range b.rooms {
		least = min(least, room(taken))
	}
	return least
}

// Run forwards and repairs until ctx ends and then drains. The fleet hears from it until
// it is done.
func (b *Bridge) Run(ctx context.Context) error {
	zerolog.Ctx(ctx).Info().Str("policy", b.steerer.policy.Name()).Msg("bridge watches the backlog")
	stopping := ctx
	if b.memory != nil {
		b.memory.recall(ctx)
	}
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beating sync.WaitGroup
	beating.Go(func() {
		beat := func() heartbeat.Beat { return b.beat(living, stopping.Err() != nil) }
		_ = b.beats.Run(living, beat, nil) // nil when living ends
	})
	defer beating.Wait()
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	drained := make(chan struct{})
	group.Go(func() error {
		defer close(drained)
		return b.consumer.Run(ctx, b.next)
	})
	if b.member != nil {
		group.Go(func() error { return b.member.Run(ctx, drained) })
	}
	group.Go(func() error { return b.fleet.Run(ctx) })
	group.Go(func() error {
		b.awaitFleet(ctx)
		return b.steerer.run(ctx)
	})
	group.Go(func() error { return b.lead(ctx) })
	return group.Wait()
}

// awaitFleet waits until it is known who is there: before, every slot would seem to be
// busy.
func (b *Bridge) awaitFleet(ctx context.Context) {
	const patience = 2 * time.Second
	select {
	case <-b.fleet.Known():
	case <-time.After(patience):
	case <-ctx.Done():
	}
}
