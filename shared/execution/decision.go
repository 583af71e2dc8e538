package execution

import (
	"fmt"
	"time"
)

// Decision is a change of what a bridge takes, in the JSON form of CloudEvents 1.0.
// It is published on sage.decision.<bridge>.
type Decision struct {
	SpecVersion string       `json:"specversion"` // 1.0
	ID          string       `json:"id"`
	Source      string       `json:"source"`  // /bridge/host
	Type        string       `json:"type"`    // dev.sagefleet.bridge.decision
	Subject     string       `json:"subject"` // the bridge's host
	Time        time.Time    `json:"time"`
	ContentType string       `json:"datacontenttype"`
	Data        DecisionData `json:"data"`
}

// DecisionData says what was decided and why.
type DecisionData struct {
	Why
	// Closed is what keeps the bridge from taking anything, whatever the rule says:
	// free slots of workers, a budget, throttling.
	Closed string `json:"closed,omitempty"`
	// Changes counts those since the event before, this one included: at most one
	// event is told in a second.
	Changes int `json:"changes"`

	// Since the bridge started:
	Delegated uint64 `json:"delegated"` // invocations begun
	Returned  uint64 `json:"returned"`  // executions put back
	Residue   uint64 `json:"residue"`   // invocations begun although a worker had a free slot
}

// NewDecision completes data to an event of the bridge on host.
func NewDecision(host string, at time.Time, data DecisionData) Decision {
	return Decision{
		SpecVersion: "1.0", ID: fmt.Sprintf("%s:%d", host, at.UnixNano()), Source: "/bridge/" + host,
		Type: "dev.sagefleet.bridge.decision", Subject: host, Time: at.UTC(), ContentType: "application/json", Data: data,
	}
}
