package bridge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// observer gathers what a policy wants to know. It is used by one goroutine.
type observer struct {
	queue    *queue.Gauge
	fleet    *heartbeat.Fleet
	host     string
	counts   *counts
	governor Governor // may be nil
	meter    Meter

	depth    queue.Depth
	looked   time.Time // when the queue was last asked
	answered time.Time // when it last answered
	err      error     // of the last look
}

// The queue is asked again after this long: while something waits, the oldest may
// come to its last moment.
const (
	lookBusy = 250 * time.Millisecond
	lookIdle = time.Second
)

// every is how long what is known of the queue is good for.
func (o *observer) every() time.Duration {
	if o.depth.Pending > 0 {
		return lookBusy
	}
	return lookIdle
}

// observe returns the signals as of now. fresh says that the queue was asked; it is
// when it must be, or when that was long ago.
func (o *observer) observe(ctx context.Context, must bool) (s overflow.Signals, t heartbeat.Total, fresh bool) {
	if must || time.Since(o.looked) >= o.every() {
		o.looked = time.Now()
		patience, cancel := context.WithTimeout(ctx, 2*time.Second)
		var depth queue.Depth
		if depth, o.err = o.queue.Measure(patience); o.err == nil {
			o.depth, o.answered, fresh = depth, time.Now(), true
		}
		cancel()
	}
	t = o.fleet.Total(o.host)
	s = overflow.Signals{
		Pending: o.depth.Pending, AckPending: o.depth.AckPending, HeadAge: o.depth.HeadAge,
		Slots: t.Slots, Busy: t.Busy, LocalOnlyBusy: t.LocalBusy, Service: t.Service,
		InFlight: o.counts.inFlight(), Cloud: o.counts.runs(),
		HeadDeadline: o.depth.HeadDeadline, HeadCloud: o.counts.runsOf(o.depth.HeadBytes),
	}
	s.Delegated = t.Delegated + s.InFlight
	// Whose processors count are the workers': a bridge beside one sees the same, and
	// one elsewhere is busy with invocations that offloading more would not lessen.
	own := o.meter.Sample(ctx)
	if s.CPU = t.CPU; t.Workers == 0 {
		s.CPU = own.CPU
	}
	if o.governor != nil {
		s.Throttled, s.Limit = o.governor.Throttled(), o.governor.Limit()
	}
	return s, t, fresh
}

// counts are the bridge's own. They are safe for concurrent use.
type counts struct {
	mu        sync.Mutex
	held      int // executions that were taken and not settled
	delegated uint64
	returned  uint64
	throttled uint64
	residue   uint64
	decided   map[decided]uint64
	recent    []time.Time // when the last invocations began
	cloud     overflow.Quantile
	bySize    overflow.BySize
}

// decided is a kind of decision.
type decided struct {
	rule   string
	taking bool
}

// decide counts a change of what is in force.
func (c *counts) decide(d decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.decided[decided{d.Rule, d.closed == ""}]++
}

func (c *counts) inFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// runs is how long the Lambda's runs take; 0 when none was measured.
func (c *counts) runs() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cloud.Average.N == 0 {
		return 0
	}
	return c.cloud.Value()
}

// runsOf is how long the Lambda's runs over so many bytes take; 0 when that is unknown.
func (c *counts) runsOf(bytes int64) time.Duration {
	if bytes == 0 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bySize.Within(bytes)
}

// ran learns from a run of the Lambda. The lock is held.
func (c *counts) ran(bytes int64, took time.Duration) {
	c.cloud.Observe(took)
	if bytes > 0 {
		c.bySize.Observe(bytes, took)
	}
}

// maxRecent bounds how many invocations are remembered.
const maxRecent = 1000

// begun counts an invocation. free says that a worker was known to have a free slot.
func (c *counts) begun(now time.Time, free bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delegated++
	if free {
		c.residue++
		return
	}
	if len(c.recent) == maxRecent {
		c.recent = append(c.recent[:0], c.recent[maxRecent/2:]...)
	}
	c.recent = append(c.recent, now)
}

// wasFree learns that a slot has been free since a moment, before it was known here:
// what was begun since then need not have been.
func (c *counts) wasFree(since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := len(c.recent); n > 0 && c.recent[n-1].After(since); n-- {
		c.residue++
		c.recent = c.recent[:n-1]
	}
}

// why is a decision as records and events tell it.
func why(policy string, d overflow.Decision) execution.Why {
	s := d.Inputs
	return execution.Why{Rule: d.Rule, Policy: policy, MinPending: d.MinPending, Reason: d.Reason, Signals: &execution.Signals{
		Pending: s.Pending, AckPending: s.AckPending, Delegated: s.Delegated, HeadAgeMillis: s.HeadAge.Milliseconds(),
		Slots: s.Slots, Busy: s.Busy, LocalOnlyBusy: s.LocalOnlyBusy, CPU: s.CPU, DeadlineMillis: s.Deadline.Milliseconds(),
		ServiceMillis: s.Service.Milliseconds(), CloudMillis: s.Cloud.Milliseconds(), Throttled: s.Throttled, Limit: s.Limit, InFlight: s.InFlight,
	}}
}

// freeSlots says how many slots are free.
func freeSlots(t heartbeat.Total) string {
	if t.Free == 1 {
		return fmt.Sprintf("1 of the workers' %d slots is free", t.Slots)
	}
	return fmt.Sprintf("%d of the workers' %d slots are free", t.Free, t.Slots)
}
