// Package overflow decides how much work must wait before some of it goes to the
// cloud.
//
// A policy is pure: signals in, decision out, no clock and no I/O, so that what a
// bridge does can be shown, replayed and simulated.
package overflow

import "fmt"

// Signals is what a policy knows.
type Signals struct {
	// CPU is the average use of this host's cores over the last 5 s, in percent.
	CPU float64
}

// Decision is what a policy wants.
type Decision struct {
	// MinPending is how many executions must wait for the bridge to take one; the
	// server holds to it for every message. 0 takes none.
	MinPending int
	Reason     string
}

// Policy decides from signals.
type Policy interface {
	Decide(Signals) Decision
}

// Threshold is the founding document's rule: offload while more than Pending
// executions wait, or while the CPU is busier than CPU percent.
type Threshold struct {
	Pending int
	CPU     float64 // percent; 0 turns this half of the rule off
}

// Decide implements [Policy].
func (t Threshold) Decide(s Signals) Decision {
	if t.CPU > 0 && s.CPU > t.CPU {
		return Decision{MinPending: 1, Reason: fmt.Sprintf("CPU at %.0f %%, above %.0f %%", s.CPU, t.CPU)}
	}
	// The server's minimum is inclusive: "more than 3" is 4.
	return Decision{MinPending: t.Pending + 1, Reason: fmt.Sprintf("more than %d waiting", t.Pending)}
}
