package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

// direct carries out what the Lambda is invoked with directly: locked and recorded
// while NATS can be reached, and else without. That is safe, since an outcome is
// written once; the reconciler records it later.
type direct struct {
	nc       *nats.Conn
	fleet    bus.Config
	outcomes *outcome.Store
	work     execution.Executor
	who      guard.Identity
	cfg      guard.Config

	mu      sync.Mutex
	guarded execution.Executor
}

// reachPatience is how long an invocation waits for NATS.
const reachPatience = 2 * time.Second

// connectDirect returns a direct that connects in the background.
func connectDirect(ctx context.Context, cfg LambdaConfig, outcomes *outcome.Store, work execution.Executor, host string) (*direct, error) {
	nc, err := bus.Connect(ctx, cfg.Fleet, bus.IdentityLambda, nats.RetryOnFailedConnect(true))
	if err != nil {
		return nil, err
	}
	return &direct{nc: nc, fleet: cfg.Fleet, outcomes: outcomes, work: work, cfg: cfg.Guard,
		who: guard.Identity{Executor: execution.OnLambda, Host: host}}, nil
}

// Execute implements execution.Executor.
func (d *direct) Execute(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	guarded, err := d.guard(ctx)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("executed without a lock")
		return d.work.Execute(ctx, a)
	}
	return guarded.Execute(ctx, a)
}

// guard returns the guarded executor when NATS is there in time.
func (d *direct) guard(ctx context.Context) (execution.Executor, error) {
	ctx, cancel := context.WithTimeout(ctx, reachPatience)
	defer cancel()
	for !d.nc.IsConnected() {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("nats can't be reached: connection %s", d.nc.Status())
		case <-time.After(2 * time.Millisecond):
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.guarded != nil {
		return d.guarded, nil
	}
	js, err := bus.Open(d.nc)
	if err != nil {
		return nil, err
	}
	g, err := guard.Open(ctx, js, d.fleet, d.outcomes, d.work, d.who, d.cfg)
	if err != nil {
		return nil, err
	}
	d.guarded = g
	return g, nil
}

// thaw replaces a connection that a freeze may have cut: it looks alive and is not,
// and the first request would wait until that is noticed.
func (d *direct) thaw(ctx context.Context, idle time.Duration) {
	if err := d.nc.ForceReconnect(); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Dur("idle", idle).Msg("reconnect after thaw")
	}
}
