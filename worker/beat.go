package worker

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/machine"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// pulse is what a worker tells of itself.
type pulse struct {
	host     string
	started  time.Time
	meter    *machine.Meter
	executed atomic.Uint64
	services heartbeat.Services
}

func newPulse(host string) *pulse {
	return &pulse{host: host, started: time.Now().UTC(), meter: machine.NewMeter()}
}

// timed is next, and remembers how long executions take.
func (p *pulse) timed(next execution.Executor) execution.ExecutorFunc {
	return func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		began := time.Now()
		o, err := next.Execute(ctx, a)
		if err == nil {
			p.executed.Add(1)
			p.services.Observe(a.Request.Config.Fingerprint(), time.Since(began))
		}
		return o, err
	}
}

// beat says how the slots are used now.
func (p *pulse) beat(ctx context.Context, u queue.Usage, draining bool) heartbeat.Beat {
	return heartbeat.Beat{
		Kind: heartbeat.KindWorker, Host: p.host, Version: heartbeat.Version(), Started: p.started, Draining: draining,
		Machine: p.meter.Sample(ctx),
		Worker: &heartbeat.Worker{
			Slots: u.Slots, Busy: u.Busy, Free: u.Free, FreeMillis: int(u.FreeFor.Milliseconds()),
			LocalSlots: u.LocalSlots, LocalBusy: u.LocalBusy,
			Executed: p.executed.Load(), Services: p.services.All(),
		},
	}
}
