package telemetry

import "slices"

// Who serves a metric.
const (
	byAll      = "worker, bridge, serve, watch, notify"
	byServices = "worker, bridge"
	byBridge   = "bridge"
	byServe    = "serve"
	byWatch    = "watch"
	byNotify   = "notify"
)

// Upper bounds in seconds. Executions take milliseconds to hours, requests to storage
// fractions of a millisecond to a timeout.
var (
	executionSeconds = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600}
	storageSeconds   = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10}
)

// Of every component.
var (
	BuildInfo = Metric{Name: "sage_build_info", Kind: Gauge, Labels: []string{"component", "version", "go_version"}, By: byAll,
		Help: "1, with what runs as labels."}
	Ready = Metric{Name: "sage_ready", Kind: Gauge, Labels: []string{"check"}, By: byAll,
		Help: "1 while what the component needs is there: the NATS server, the queue's consumer, storage."}
	Draining = Metric{Name: "sage_draining", Kind: Gauge, By: byAll,
		Help: "1 while the component ends what it has and takes nothing new."}
	StorageRequest = Metric{Name: "sage_storage_request_seconds", Kind: Histogram, Labels: []string{"operation"}, Buckets: storageSeconds, By: byAll,
		Help: "How long storage took to answer; of a get or a list, until it began to."}
	StorageErrors = Metric{Name: "sage_storage_errors_total", Kind: Counter, Labels: []string{"operation", "code"}, By: byAll,
		Help: "Requests that storage failed, by fault code."}
)

// Of whoever takes executions off the queue.
var (
	Executions = Metric{Name: "sage_executions_total", Kind: Counter, Labels: []string{"mailbox", "executor", "state"}, By: byServices,
		Help: "Executions that ended, counted once by whoever ended them; executor is worker or lambda, state succeeded, dead or cancelled."}
	ExecutionsDead = Metric{Name: "sage_executions_dead_total", Kind: Counter, Labels: []string{"code"}, By: byServices,
		Help: "Executions that ended DEAD, by fault code. Each leaves a dead letter."}
	ExecutionsCached = Metric{Name: "sage_executions_cached_total", Kind: Counter, By: byServices,
		Help: "Executions answered with the findings of an earlier one."}
	ExecutionsLate = Metric{Name: "sage_executions_late_total", Kind: Counter, Labels: []string{"mailbox"}, By: byServices,
		Help: "Executions that succeeded or ended DEAD after their deadline."}
	Attempts = Metric{Name: "sage_attempts_total", Kind: Counter, Labels: []string{"executor"}, By: byServices,
		Help: "Attempts begun."}
	AttemptsFailed = Metric{Name: "sage_attempts_failed_total", Kind: Counter, Labels: []string{"executor", "code"}, By: byServices,
		Help: "Attempts that failed and are tried again, by fault code."}
	ExecutionWait = Metric{Name: "sage_execution_wait_seconds", Kind: Histogram, Labels: []string{"executor"}, Buckets: executionSeconds, By: byServices,
		Help: "From the acceptance of an execution to its first attempt."}
	ExecutionRun = Metric{Name: "sage_execution_run_seconds", Kind: Histogram, Labels: []string{"executor"}, Buckets: executionSeconds, By: byServices,
		Help: "How long the attempt ran that ended an execution."}
	ExecutionTurnaround = Metric{Name: "sage_execution_turnaround_seconds", Kind: Histogram, Labels: []string{"executor"}, Buckets: executionSeconds, By: byServices,
		Help: "From the acceptance of an execution to its end."}
	Messages = Metric{Name: "sage_messages_total", Kind: Counter, Labels: []string{"end"}, By: byServices,
		Help: "Messages taken off the queue, by what became of them: ended, retried, refused, busy, interrupted, or unsettled, which are delivered again."}
	LockConflicts = Metric{Name: "sage_lock_conflicts_total", Kind: Counter, By: byServices,
		Help: "Messages put back because somebody else held the execution's lock."}
	Slots = Metric{Name: "sage_slots", Kind: Gauge, Labels: []string{"queue"}, By: byServices,
		Help: "Executions that this process may have at once; queue is fleet, or local for what no Lambda may take."}
	SlotsBusy = Metric{Name: "sage_slots_busy", Kind: Gauge, Labels: []string{"queue"}, By: byServices,
		Help: "Executions that this process has."}
)

// Of the queue and the fleet, as a bridge sees them: every bridge serves the same.
var (
	LocalBacklog = Metric{Name: "sage_local_backlog", Kind: Gauge, By: byBridge,
		Help: "Executions that workers have or will have: waiting and in flight, without those that bridges hold. Scale workers by it."}
	LocalBacklogBefore = Metric{Name: "sagefleet_local_backlog", Kind: Gauge, By: byBridge,
		Help: "The earlier name of sage_local_backlog."}
	QueuePending = Metric{Name: "sage_queue_pending", Kind: Gauge, By: byBridge,
		Help: "Executions that nobody has yet."}
	QueueInFlight = Metric{Name: "sage_queue_in_flight", Kind: Gauge, By: byBridge,
		Help: "Executions that workers and bridges have."}
	QueueDelegated = Metric{Name: "sage_queue_delegated", Kind: Gauge, By: byBridge,
		Help: "Of them, those that bridges have."}
	QueueHeadAge = Metric{Name: "sage_queue_head_age_seconds", Kind: Gauge, By: byBridge,
		Help: "For how long the oldest waiting execution has waited."}
	QueueLocal = Metric{Name: "sage_queue_local_pending", Kind: Gauge, By: byBridge,
		Help: "Executions that wait for workers only."}
	QueueLater = Metric{Name: "sage_queue_retries_pending", Kind: Gauge, By: byBridge,
		Help: "Retries that wait for their time."}
	DeadLetters = Metric{Name: "sage_dead_letters", Kind: Gauge, By: byBridge,
		Help: "Dead letters that are kept, those that were redriven included."}
	FleetWorkers = Metric{Name: "sage_fleet_workers", Kind: Gauge, By: byBridge,
		Help: "Workers that are heard."}
	FleetBridges = Metric{Name: "sage_fleet_bridges", Kind: Gauge, By: byBridge,
		Help: "Bridges that are heard, this one included."}
	FleetSlots = Metric{Name: "sage_fleet_slots", Kind: Gauge, By: byBridge,
		Help: "Slots of the workers that take work."}
	FleetSlotsBusy = Metric{Name: "sage_fleet_slots_busy", Kind: Gauge, By: byBridge,
		Help: "Of them, those that execute something."}
	FleetSlotsFree = Metric{Name: "sage_fleet_slots_free", Kind: Gauge, By: byBridge,
		Help: "Of them, those that asked the queue for work in vain."}
)

// Of a bridge and its Lambda.
var (
	PolicyMinPending = Metric{Name: "sage_policy_min_pending", Kind: Gauge, By: byBridge,
		Help: "How many must wait for this bridge to take one; 0 when it takes none."}
	PolicyDecisions = Metric{Name: "sage_policy_decisions_total", Kind: Counter, Labels: []string{"rule", "taking"}, By: byBridge,
		Help: "Changes of what the bridge takes, by the policy's rule; taking is false when something else keeps it from taking any."}
	Invocations = Metric{Name: "sage_invocations_total", Kind: Counter, By: byBridge,
		Help: "Executions that this bridge handed to the Lambda."}
	InvocationsReturned = Metric{Name: "sage_invocations_returned_total", Kind: Counter, By: byBridge,
		Help: "Of them, those it put back unexecuted."}
	InvocationsThrottled = Metric{Name: "sage_invocations_throttled_total", Kind: Counter, By: byBridge,
		Help: "Of them, those that Lambda refused for want of capacity."}
	InvocationsResidue = Metric{Name: "sage_invocations_residue_total", Kind: Counter, By: byBridge,
		Help: "Of them, those begun although a worker had a free slot."}
	Delegations = Metric{Name: "sage_delegations_total", Kind: Counter, Labels: []string{"state"}, By: byBridge,
		Help: "What the ledger of delegations says of invocations when their bridge lets go of them: outcome, failed, refused, unknown or expired."}
	GovernorLimit = Metric{Name: "sage_governor_limit", Kind: Gauge, By: byBridge,
		Help: "Invocations that may be under way at once, as far as Lambda takes them."}
	GovernorUnderWay = Metric{Name: "sage_governor_under_way", Kind: Gauge, By: byBridge,
		Help: "Invocations that are under way."}
	GovernorThrottled = Metric{Name: "sage_governor_throttled", Kind: Gauge, By: byBridge,
		Help: "1 when Lambda refused invocations within the last seconds."}
	GovernorOpen = Metric{Name: "sage_governor_open", Kind: Gauge, By: byBridge,
		Help: "1 while invocations may begin; 0 while Lambda fails, has no capacity, or other bridges have it all."}
	GovernorFailures = Metric{Name: "sage_governor_failures_total", Kind: Counter, By: byBridge,
		Help: "Invocations that failed in a way that is not the execution's own."}
	GovernorBroken = Metric{Name: "sage_governor_broken_total", Kind: Counter, By: byBridge,
		Help: "How often so many failed in a row that no more were begun for a while."}
	LambdaBilled = Metric{Name: "sage_lambda_billed_seconds_total", Kind: Counter, By: byBridge,
		Help: "Time that Lambda billed, as its answers say."}
	LambdaCost = Metric{Name: "sage_lambda_cost_usd_total", Kind: Counter, By: byBridge,
		Help: "What that cost, at the configured prices."}
	LambdaColdStarts = Metric{Name: "sage_lambda_cold_starts_total", Kind: Counter, By: byBridge,
		Help: "Answers of environments that had just started."}
	BudgetLimit = Metric{Name: "sage_budget_limit_usd", Kind: Gauge, Labels: []string{"window", "mailbox"}, By: byBridge,
		Help: "What Lambda may cost in an hour or a day; no mailbox is the whole fleet. Half of it can be spent at once."}
	BudgetDebt = Metric{Name: "sage_budget_debt_usd", Kind: Gauge, Labels: []string{"window", "mailbox"}, By: byBridge,
		Help: "What was spent of it and has not come back yet."}
	BudgetReserved = Metric{Name: "sage_budget_reserved_usd", Kind: Gauge, Labels: []string{"window", "mailbox"}, By: byBridge,
		Help: "The most that invocations can cost whose cost isn't known yet."}
	BudgetFree = Metric{Name: "sage_budget_free_usd", Kind: Gauge, Labels: []string{"window", "mailbox"}, By: byBridge,
		Help: "What can be reserved now."}
	BudgetUsed = Metric{Name: "sage_budget_used_ratio", Kind: Gauge, Labels: []string{"window", "mailbox"}, By: byBridge,
		Help: "How much is spent or reserved of what can be had at once, which is half the limit; at 1 everything stays with the workers."}
)

// Of the ledger, which `sage serve` keeps.
var (
	LedgerLag = Metric{Name: "sage_ledger_lag_events", Kind: Gauge, By: byServe,
		Help: "Events that the ledger does not have yet."}
	LedgerSkipped = Metric{Name: "sage_ledger_skipped_total", Kind: Counter, By: byServe,
		Help: "Messages among the events that were none of the fleet's."}
)

// Of an inbox, which `sage watch` empties.
var (
	InboxFiles = Metric{Name: "sage_inbox_files_total", Kind: Counter, Labels: []string{"mailbox", "end"}, By: byWatch,
		Help: "Files that were taken from a mailbox's folder, by their end: submitted or rejected."}
	InboxWaiting = Metric{Name: "sage_inbox_waiting_files", Kind: Gauge, Labels: []string{"mailbox"}, By: byWatch,
		Help: "Files in a mailbox's folder that were neither submitted nor rejected yet, those that still arrive included."}
)

// Of what is told outside the fleet, by `sage notify`.
var (
	Notices = Metric{Name: "sage_notices_total", Kind: Counter, Labels: []string{"kind", "channel", "end"}, By: byNotify,
		Help: "Tries to tell somebody something: kind is answer, to a sender, or alarm, to operators; channel webhook, email or sns; end sent, failed, which is tried again, or given_up."}
	AnswersWaiting = Metric{Name: "sage_answers_waiting", Kind: Gauge, By: byNotify,
		Help: "Ends that may have to be answered and aren't settled: new ones, and those that are tried again. Everyone serves the same."}
	AlarmsWaiting = Metric{Name: "sage_alarms_waiting", Kind: Gauge, By: byNotify,
		Help: "Alarms that somebody is still to hear. Only who leads serves it."}
	IncidentsOpen = Metric{Name: "sage_incidents_open", Kind: Gauge, Labels: []string{"rule"}, By: byNotify,
		Help: "Incidents that are open. Only who leads serves it."}
)

// Catalog is every metric of the fleet, in the order of the reference.
var Catalog = slices.Concat(
	[]Metric{BuildInfo, Ready, Draining, StorageRequest, StorageErrors},
	[]Metric{Executions, ExecutionsDead, ExecutionsCached, ExecutionsLate, Attempts, AttemptsFailed, ExecutionWait, ExecutionRun, ExecutionTurnaround,
		Messages, LockConflicts, Slots, SlotsBusy},
	[]Metric{LocalBacklog, LocalBacklogBefore, QueuePending, QueueInFlight, QueueDelegated, QueueHeadAge, QueueLocal, QueueLater, DeadLetters,
		FleetWorkers, FleetBridges, FleetSlots, FleetSlotsBusy, FleetSlotsFree},
	[]Metric{PolicyMinPending, PolicyDecisions, Invocations, InvocationsReturned, InvocationsThrottled, InvocationsResidue, Delegations,
		GovernorLimit, GovernorUnderWay, GovernorThrottled, GovernorOpen, GovernorFailures, GovernorBroken,
		LambdaBilled, LambdaCost, LambdaColdStarts, BudgetLimit, BudgetDebt, BudgetReserved, BudgetFree, BudgetUsed},
	[]Metric{LedgerLag, LedgerSkipped},
	[]Metric{InboxFiles, InboxWaiting},
	[]Metric{Notices, AnswersWaiting, AlarmsWaiting, IncidentsOpen},
)
