package overflow

import "fmt"

// Threshold is the founding document's rule: offload while more than Pending
// executions wait, or while the CPU is busier than CPU percent.
type Threshold struct {
	Pending int
	CPU     float64 // percent; 0 turns this half of the rule off
}

// Name implements [Policy].
func (Threshold) Name() string { return PolicyThreshold }

// Decide implements [Policy].
func (t Threshold) Decide(s Signals) Decision {
	if t.CPU > 0 && s.CPU > t.CPU {
		return Decision{MinPending: 1, Rule: RuleCPU, Inputs: s,
			Reason: fmt.Sprintf("the CPU is at %.0f %%, above %g %%: nothing waits", s.CPU, t.CPU)}
	}
	// The server's minimum is inclusive: "more than 3" is 4.
	return Decision{MinPending: t.Pending + 1, Rule: RulePending, Inputs: s,
		Reason: fmt.Sprintf("more than %d may not wait", t.Pending)}
}
