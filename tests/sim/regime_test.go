package sim

import (
	"context"
	"time"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/bridge/reconcile"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/machine"
)

// regime is the fleet that a seed has, and what it suffers besides faults.
type regime struct {
	workers  int
	slots    int           // of each
	work     int           // executions
	arrival  time.Duration // within which everything is submitted
	bridges  int           // that contend for the lead
	event    bool
	limit    float64 // USD that the Lambda may cost in an hour; 0 is no limit
	grace    time.Duration
	every    time.Duration // the reconciler sweeps
	calamity calamity
}

func newRegime(p plan) regime {
	pick := func(what string, n uint64) uint64 { return p.number("regime", what) % n }
	r := regime{
		workers:  1 + int(p.number("workers")%3),
		work:     3 + int(p.number("executions")%4),
		slots:    1 + int(pick("slots", 2)),
		arrival:  []time.Duration{time.Second, 3 * time.Second, 10 * time.Second}[pick("arrival", 3)],
		bridges:  1 + int(pick("bridges", 2)),
		event:    pick("event", 4) == 0,
		grace:    between(p.number("regime", "grace"), 2*time.Second, 6*time.Second),
		every:    time.Duration(1+pick("every", 3)) * time.Second,
		calamity: calamities[pick("calamity", uint64(len(calamities)))],
	}
	if pick("limited", 3) == 0 {
		r.limited(pick("limit", 3))
	}
	return r
}

// limited bounds the cost to what a few of the worst runs can cost at once, and has much
// be left to the Lambda.
func (r *regime) limited(more uint64) {
	r.workers, r.slots, r.arrival = 1, 1, time.Second
	r.work += 4
	r.limit = 2 * r.calls().MaxCost() * float64(1+more)
}

// lambdaTimeout is the function's, and coldStart how long one takes at most when what it
// costs is of interest.
const (
	lambdaTimeout = 4 * time.Second
	coldStart     = 10 * time.Second
	eventAge      = time.Minute
)

// calls is how the bridges ask the Lambda.
func (r regime) calls() remote.Config {
	c := remote.Config{Function: "sage", Timeout: lambdaTimeout, Margin: time.Second, EventAge: eventAge, Mode: remote.Sync,
		Poll: 500 * time.Millisecond, Busy: 500 * time.Millisecond, Concurrency: 2, MemoryMB: 1024, Architecture: "arm64"}
	if r.event {
		c.Mode = remote.Event
	}
	if r.limit > 0 {
		c.Margin = coldStart + time.Second
	}
	return c
}

// lease is what no other timer of a bridge is a multiple of: what ends at the same time
// ends in any order.
const lease = 3*time.Second + 123_456_789*time.Nanosecond

func (r regime) bridge() bridge.Config {
	return bridge.Config{Slots: 2, Queue: queueConfig, Guard: guardConfig,
		Overflow:  overflow.Config{Policy: overflow.PolicyThreshold},
		Reconcile: reconcile.Config{Every: r.every, Grace: r.grace, Window: guardConfig.StateTTL - time.Minute, List: 1000, Batch: 100},
		Budget:    budget.Config{Hour: r.limit},
		Shares:    shares.Config{Lease: lease}}
}

// idle is a machine that has nothing to do: how busy this one is says nothing.
type idle struct{}

func (idle) Sample(context.Context) machine.Usage { return machine.Usage{Cores: 2} }
