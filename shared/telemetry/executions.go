package telemetry

import (
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// executions counts what comes of attempts and messages. Each method is of an interface
// that a component declares: guard.Watcher or queue's.
type executions struct {
	mailboxes, codes *known

	attempts, failed, ended, dead, cached, late, messages, conflicts *prometheus.CounterVec
	billed, cost, cold                                               *prometheus.CounterVec
	wait, run, turnaround                                            *prometheus.HistogramVec
}

// maxCodes is more than the fleet has fault codes; what an outcome says may be another's.
const maxCodes = 200

func newExecutions(mailboxes int) *executions {
	e := &executions{
		mailboxes: newKnown(mailboxes), codes: newKnown(maxCodes),
		attempts: Attempts.counters(), failed: AttemptsFailed.counters(), ended: Executions.counters(), dead: ExecutionsDead.counters(),
		cached: ExecutionsCached.counters(), late: ExecutionsLate.counters(), messages: Messages.counters(), conflicts: LockConflicts.counters(),
		billed: LambdaBilled.counters(), cost: LambdaCost.counters(), cold: LambdaColdStarts.counters(),
		wait: ExecutionWait.histograms(), run: ExecutionRun.histograms(), turnaround: ExecutionTurnaround.histograms(),
	}
	for _, c := range []*prometheus.CounterVec{e.cached, e.conflicts, e.billed, e.cost, e.cold} {
		c.WithLabelValues() // 0 is told, too: only then can a rise be seen
	}
	return e
}

func (e *executions) all() []prometheus.Collector {
	return []prometheus.Collector{e.attempts, e.failed, e.ended, e.dead, e.cached, e.late, e.messages, e.conflicts,
		e.billed, e.cost, e.cold, e.wait, e.run, e.turnaround}
}

// Describe implements [prometheus.Collector].
func (e *executions) Describe(to chan<- *prometheus.Desc) {
	for _, c := range e.all() {
		c.Describe(to)
	}
}

// Collect implements [prometheus.Collector].
func (e *executions) Collect(to chan<- prometheus.Metric) {
	for _, c := range e.all() {
		c.Collect(to)
	}
}

// AttemptBegan counts an attempt, and how long the first of an execution was waited for.
func (m *Monitor) AttemptBegan(executor string, a execution.Attempt) {
	m.executions.attempts.WithLabelValues(executor).Inc()
	if a.Number <= 1 && !a.Enqueued.IsZero() {
		m.executions.wait.WithLabelValues(executor).Observe(time.Since(a.Enqueued).Seconds())
	}
}

// AttemptFailed counts an attempt after which another is due.
func (m *Monitor) AttemptFailed(executor string, _ execution.Attempt, cause error) {
	m.executions.failed.WithLabelValues(executor, m.executions.codes.label(string(fault.CodeOf(cause)))).Inc()
	m.executions.pay(execution.Billed(cause))
}

// AttemptWasted counts what was paid for nothing.
func (m *Monitor) AttemptWasted(_ execution.Attempt, cost execution.Usage) { m.executions.pay(&cost) }

// ExecutionEnded counts an execution by how it ended.
func (m *Monitor) ExecutionEnded(_ execution.Attempt, o execution.Outcome) {
	e := m.executions
	e.ended.WithLabelValues(e.mailboxes.label(o.Mailbox), o.Executor, strings.ToLower(string(o.Kind))).Inc()
	if o.Kind == execution.Dead && o.Fault != nil {
		e.dead.WithLabelValues(e.codes.label(string(o.Fault.Code))).Inc()
	}
	if o.Late() {
		e.late.WithLabelValues(e.mailboxes.label(o.Mailbox)).Inc()
	}
	if o.CachedFrom != nil {
		e.cached.WithLabelValues().Inc()
	}
	e.pay(o.Usage)
	if o.Started.IsZero() || o.Finished.Before(o.Started) {
		return
	}
	e.run.WithLabelValues(o.Executor).Observe(o.Finished.Sub(o.Started).Seconds())
	if !o.Enqueued.IsZero() && !o.Finished.Before(o.Enqueued) {
		e.turnaround.WithLabelValues(o.Executor).Observe(o.Finished.Sub(o.Enqueued).Seconds())
	}
}

func (e *executions) pay(u *execution.Usage) {
	if u == nil {
		return
	}
	e.billed.WithLabelValues().Add(float64(u.BilledMillis) / 1000)
	e.cost.WithLabelValues().Add(u.CostUSD)
	if u.InitMillis > 0 {
		e.cold.WithLabelValues().Inc()
	}
}

// MessageHandled counts a message by what became of it.
func (m *Monitor) MessageHandled(h queue.Handled) {
	if _, held := errors.AsType[*lock.HeldError](h.Err); held {
		m.executions.conflicts.WithLabelValues().Inc()
	}
	m.executions.messages.WithLabelValues(string(h.End)).Inc()
}
