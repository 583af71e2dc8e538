package bridge

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

// Collector serves what the bridge knows of the queue, the fleet and its Lambda.
func (b *Bridge) Collector() prometheus.Collector {
	return telemetry.Values{
		Metrics: []telemetry.Metric{
			telemetry.LocalBacklog, telemetry.LocalBacklogBefore, telemetry.QueuePending, telemetry.QueueInFlight, telemetry.QueueDelegated,
			telemetry.QueueHeadAge, telemetry.QueueLocal, telemetry.QueueLater, telemetry.DeadLetters,
			telemetry.FleetWorkers, telemetry.FleetBridges, telemetry.FleetSlots, telemetry.FleetSlotsBusy, telemetry.FleetSlotsFree,
			telemetry.PolicyMinPending, telemetry.PolicyDecisions, telemetry.Invocations, telemetry.InvocationsReturned,
			telemetry.InvocationsThrottled, telemetry.InvocationsResidue, telemetry.Delegations,
			telemetry.GovernorLimit, telemetry.GovernorUnderWay, telemetry.GovernorThrottled, telemetry.GovernorOpen,
			telemetry.GovernorFailures, telemetry.GovernorBroken,
			telemetry.BudgetLimit, telemetry.BudgetDebt, telemetry.BudgetReserved, telemetry.BudgetFree, telemetry.BudgetUsed,
		},
		Tell: func(to chan<- prometheus.Metric) {
			d := b.steerer.current()
			if time.Since(d.looked) <= stale {
				tellQueue(to, d)
			}
			b.tellBacklog(to)
			b.tellCounts(to)
			b.tellGovernor(to)
			b.tellBudget(to)
		},
	}
}

// stale is how long after the queue last answered its numbers are still told. An
// autoscaler does nothing when it is told nothing, which is better than something
// wrong.
const stale = 10 * time.Second

// localBacklog is what an autoscaler of workers has to count: what bridges hold needs
// no worker.
func localBacklog(d decision) int {
	return max(0, d.Inputs.Pending+d.Inputs.AckPending-d.Inputs.Delegated)
}

func tellQueue(to chan<- prometheus.Metric, d decision) {
	to <- telemetry.LocalBacklog.Is(float64(localBacklog(d)))
	to <- telemetry.LocalBacklogBefore.Is(float64(localBacklog(d)))
	to <- telemetry.QueuePending.Is(float64(d.Inputs.Pending))
	to <- telemetry.QueueInFlight.Is(float64(d.Inputs.AckPending))
	to <- telemetry.QueueDelegated.Is(float64(d.Inputs.Delegated))
	to <- telemetry.QueueHeadAge.Is(d.Inputs.HeadAge.Seconds())
	to <- telemetry.FleetWorkers.Is(float64(d.total.Workers))
	to <- telemetry.FleetBridges.Is(float64(d.total.Bridges + 1))
	to <- telemetry.FleetSlots.Is(float64(d.total.Slots))
	to <- telemetry.FleetSlotsBusy.Is(float64(d.total.Busy))
	to <- telemetry.FleetSlotsFree.Is(float64(d.total.Free))
	minPending := d.MinPending
	if d.closed != "" {
		minPending = 0
	}
	to <- telemetry.PolicyMinPending.Is(float64(minPending))
}

// tellBacklog asks the server what only whoever reads metrics wants to know.
func (b *Bridge) tellBacklog(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	backlog, err := queue.Lag(ctx, b.js)
	if err != nil {
		return // sage_ready says that the server isn't there
	}
	to <- telemetry.QueueLocal.Is(float64(backlog.Local))
	to <- telemetry.QueueLater.Is(float64(backlog.Later))
	to <- telemetry.DeadLetters.Is(float64(backlog.Dead))
}

func (b *Bridge) tellCounts(to chan<- prometheus.Metric) {
	b.counts.mu.Lock()
	defer b.counts.mu.Unlock()
	to <- telemetry.Invocations.Is(float64(b.counts.delegated))
	to <- telemetry.InvocationsReturned.Is(float64(b.counts.returned))
	to <- telemetry.InvocationsThrottled.Is(float64(b.counts.throttled))
	to <- telemetry.InvocationsResidue.Is(float64(b.counts.residue))
	for what, n := range b.counts.decided {
		to <- telemetry.PolicyDecisions.Is(float64(n), what.rule, strconv.FormatBool(what.taking))
	}
	for state, n := range b.ends.read() {
		to <- telemetry.Delegations.Is(float64(n), string(state))
	}
}

func (b *Bridge) tellGovernor(to chan<- prometheus.Metric) {
	g := b.steerer.observe.governor
	if g == nil {
		return
	}
	open, _ := g.Open(time.Now())
	to <- telemetry.GovernorLimit.Is(float64(g.Limit()))
	to <- telemetry.GovernorThrottled.Is(telemetry.Truth(g.Throttled()))
	to <- telemetry.GovernorOpen.Is(telemetry.Truth(open))
	stats := g.Stats()
	to <- telemetry.GovernorUnderWay.Is(float64(stats.UnderWay))
	to <- telemetry.GovernorFailures.Is(float64(stats.Failures))
	to <- telemetry.GovernorBroken.Is(float64(stats.Opened))
}

func (b *Bridge) tellBudget(to chan<- prometheus.Metric) {
	if b.member == nil {
		return
	}
	for _, l := range b.member.Report(time.Now()) {
		to <- telemetry.BudgetLimit.Is(l.Limit, l.Window, l.Mailbox)
		to <- telemetry.BudgetDebt.Is(l.Debt, l.Window, l.Mailbox)
		to <- telemetry.BudgetReserved.Is(l.Reserved, l.Window, l.Mailbox)
		to <- telemetry.BudgetFree.Is(l.Free, l.Window, l.Mailbox)
		to <- telemetry.BudgetUsed.Is(1-2*l.Free/l.Limit, l.Window, l.Mailbox)
	}
}

// ends counts what the ledger says of invocations at last. It is a [remote.Books] around
// another, and safe for concurrent use.
type ends struct {
	books remote.Books

	mu sync.Mutex
	by map[delegation.State]uint64
}

// Begin implements [remote.Books].
func (e *ends) Begin(ctx context.Context, a execution.Attempt, expiry time.Time) (func(context.Context, remote.Result), error) {
	end, err := e.books.Begin(ctx, a, expiry)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, r remote.Result) {
		end(ctx, r)
		if r.State == delegation.Running {
			return // an event that was taken: its end is still to come
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.by[r.State]++
	}, nil
}

func (e *ends) read() map[delegation.State]uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.by)
}
