package execution

// Why says why an attempt runs where it does: in its record and in the events of its
// start and its end, and, of a bridge, in decisions and heartbeats.
type Why struct {
	// Rule is a stable word: slot on a worker; on a bridge the rule of its policy, such
	// as pending, cpu, slack or age.
	Rule       string   `json:"rule"`
	Policy     string   `json:"policy,omitempty"`      // that the rule belongs to
	MinPending int      `json:"min_pending,omitempty"` // how many had to wait for the bridge to take one
	Reason     string   `json:"reason,omitempty"`      // a sentence with the numbers
	Signals    *Signals `json:"signals,omitempty"`     // as they were
}

// RuleSlot says that a worker had a free slot when it was the execution's turn.
const RuleSlot = "slot"

// Signals are the numbers that a decision was made by. What wasn't known is 0.
type Signals struct {
	Pending        int     `json:"pending"`     // executions that waited
	AckPending     int     `json:"ack_pending"` // were with workers or bridges
	Delegated      int     `json:"delegated"`   // of those, with bridges
	HeadAgeMillis  int64   `json:"head_age_ms,omitempty"`
	Slots          int     `json:"slots"` // of the workers
	Busy           int     `json:"busy"`
	LocalOnlyBusy  int     `json:"local_only_busy,omitempty"`
	CPU            float64 `json:"cpu,omitempty"` // percent
	DeadlineMillis int64   `json:"deadline_ms,omitempty"`
	ServiceMillis  int64   `json:"service_ms,omitempty"` // what an execution takes a worker, on average
	CloudMillis    int64   `json:"cloud_ms,omitempty"`   // what 95 % of the Lambda's runs stay under
	Throttled      bool    `json:"throttled,omitempty"`
	Limit          int     `json:"limit,omitempty"` // invocations allowed at once
	InFlight       int     `json:"in_flight,omitempty"`
}
