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
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/shirou/gopsutil/v4/cpu"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/bridge/reconcile"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/guard"
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
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	if c.Slots < 1 {
		return settings.Invalid("BRIDGE_SLOTS", c.Slots, "1 or more")
	}
	return errors.Join(c.Overflow.Validate(), c.Queue.Validate(), c.Guard.Validate(), c.Reconcile.Validate(c.Guard.StateTTL))
}

// Bridge forwards overflow and repairs what crashes left.
type Bridge struct {
	consumer *queue.Consumer
	guard    *guard.Guard
	repairs  *reconcile.Reconciler
	policy   overflow.Policy
	useCPU   bool
}

// Governor says how many more executions may be taken by whoever has taken so many
// that have not ended; see package governor.
type Governor interface {
	Room(taken int) int
}

// Option changes a Bridge.
type Option func(*Bridge)

// WithGovernor has g decide how much is taken off the queue.
func WithGovernor(g Governor) Option { return func(b *Bridge) { b.consumer.Govern(g.Room) } }

// New returns a Bridge called host whose executions remote carries out. It opens
// the fleet's buckets and starts nothing.
func New(ctx context.Context, js jetstream.JetStream, objects storage.Store, fleet bus.Config,
	remote execution.Executor, host string, cfg Config, opts ...Option) (*Bridge, error) {
	who := guard.Identity{Executor: execution.OnLambda, Host: host, Delegates: true}
	g, err := guard.Open(ctx, js, fleet, outcome.New(objects), remote, who, cfg.Guard)
	if err != nil {
		return nil, fmt.Errorf("open bridge: %w", err)
	}
	repairs, err := reconcile.New(ctx, js, objects, fleet, cfg.Guard.StateTTL, host, cfg.Reconcile)
	if err != nil {
		return nil, fmt.Errorf("open reconciler: %w", err)
	}
	consumer := queue.NewOverflow(js, fleet.AckWait, cfg.Slots, cfg.Queue)
	b := &Bridge{consumer: consumer, guard: g, repairs: repairs,
		useCPU: cfg.Overflow.CPU > 0, policy: overflow.New(cfg.Overflow)}
	for _, opt := range opts {
		opt(b)
	}
	return b, nil
}

// Run forwards and repairs until ctx ends and then drains.
func (b *Bridge) Run(ctx context.Context) error {
	zerolog.Ctx(ctx).Info().Msg("bridge watches the backlog")
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.consumer.Run(ctx, b.guard) })
	group.Go(func() error { return b.steer(ctx) })
	group.Go(func() error { return b.repairs.Run(ctx) })
	return group.Wait()
}

// steer sets the tap as the policy says, each second.
func (b *Bridge) steer(ctx context.Context) error {
	var load cpuAverage
	var last overflow.Decision
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		var signals overflow.Signals
		if b.useCPU {
			signals.CPU = load.sample(ctx)
		}
		if d := b.policy.Decide(signals); d.MinPending != last.MinPending {
			zerolog.Ctx(ctx).Info().Int("min_pending", d.MinPending).Str("reason", d.Reason).Msg("overflow threshold")
			b.consumer.Tap(queue.Opening{MinPending: d.MinPending})
			last = d
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// cpuAverage is the use of all cores over the last five samples.
type cpuAverage struct {
	samples [5]float64
	n       int
}

// sample measures since the last call and returns the average in percent. The
// first call has nothing to measure from, and counts as idle.
func (a *cpuAverage) sample(ctx context.Context) float64 {
	used, err := cpu.PercentWithContext(ctx, 0, false)
	if err != nil || len(used) == 0 {
		return 0 // a host that can't be measured doesn't offload on CPU
	}
	if a.n > 0 {
		a.samples[a.n%len(a.samples)] = used[0]
	}
	a.n++
	var sum float64
	for _, s := range a.samples {
		sum += s
	}
	return sum / float64(len(a.samples))
}
