// Package overflow decides how much work must wait before some of it goes to the
// cloud.
//
// A policy is pure: signals in, decision out, no clock and no I/O, so that what a
// bridge does can be shown, replayed and simulated. Package simulate runs the same
// policies over recorded and made-up work.
package overflow

import "time"

// Signals is what a policy knows. What isn't known is zero.
type Signals struct {
	Pending    int           `json:"pending"`     // executions that wait
	AckPending int           `json:"ack_pending"` // handed out and not settled, the bridges' included
	Delegated  int           `json:"delegated"`   // of those, with bridges
	HeadAge    time.Duration `json:"head_age"`    // since the oldest that waits was accepted; 0 when none waits

	// Of the workers that were heard lately.
	Slots         int `json:"slots"`
	Busy          int `json:"busy"`            // slots that execute something
	LocalOnlyBusy int `json:"local_only_busy"` // of those, with work that no Lambda can take

	CPU float64 `json:"cpu"` // percent, average of 5 s

	Deadline time.Duration `json:"deadline"` // the shortest that the consumer's classes allow from acceptance to end; 0 for none
	Service  time.Duration `json:"service"`  // what one execution takes a worker, on average
	Cloud    time.Duration `json:"cloud"`    // what 95 % of the Lambda's runs stay under, cold starts included

	// Of the oldest that waits, by its size and its request; 0 when unknown.
	HeadDeadline time.Duration `json:"head_deadline"` // from its acceptance to its end
	HeadCloud    time.Duration `json:"head_cloud"`    // what 95 % of the Lambda's runs of that size stay under

	Throttled bool `json:"throttled"` // the Lambda refuses some invocations
	Limit     int  `json:"limit"`     // invocations allowed at once; 0 when unknown
	InFlight  int  `json:"in_flight"` // invocations under way
}

// Decision is what a policy wants, and why.
type Decision struct {
	// MinPending is how many executions must wait for a bridge to take the oldest, that one
	// included; the server holds to it for every message. 0 takes none.
	MinPending int     `json:"min_pending"`
	Rule       string  `json:"rule"`   // one of the Rule constants
	Reason     string  `json:"reason"` // a sentence with the numbers
	Inputs     Signals `json:"inputs"`
	// Review is how long the decision holds if nothing changes but the time; 0 is for ever.
	Review time.Duration `json:"review,omitempty"`
}

// What a decision was made by. The words are stable: they are stored and compared.
const (
	RulePending   = "pending"   // more waits than is allowed to
	RuleCPU       = "cpu"       // the host is too busy for anything to wait
	RuleSlack     = "slack"     // as much waits as workers can do before the deadline
	RuleAge       = "age"       // the oldest waits too long already
	RuleThrottled = "throttled" // the cloud is slow to take work, so it must start early
	RuleNoSlots   = "no-slots"  // no worker could do it
	RuleClosed    = "closed"    // nothing may be offloaded, whatever waits
)

// Policy decides from signals.
type Policy interface {
	Name() string
	Decide(Signals) Decision
}

// New returns the policy that cfg, which must be valid, asks for.
func New(cfg Config) Policy {
	switch cfg.Policy {
	case PolicySlack:
		return Slack{Deadline: cfg.Deadline, Fill: orElse(cfg.Fill, 0.8), Margin: cfg.Margin}
	case PolicySized:
		return Sized{Deadline: cfg.Deadline, Fill: orElse(cfg.Fill, 0.9), Margin: cfg.Margin}
	}
	return Threshold{Pending: cfg.Pending, CPU: cfg.CPU}
}

// Closed is the decision to take nothing, in the words of whoever forbids it,
// such as a budget that is spent.
func Closed(reason string, s Signals) Decision {
	return Decision{Rule: RuleClosed, Reason: reason, Inputs: s}
}
