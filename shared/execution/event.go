package execution

import (
	"fmt"
	"time"
)

// Event is one transition of one execution, in the JSON form of CloudEvents 1.0
// (https://github.com/cloudevents/spec). It is published on
// sage.event.<mailbox>.<kind>.
type Event struct {
	SpecVersion string    `json:"specversion"` // 1.0
	ID          string    `json:"id"`          // the same for a repeated publish
	Source      string    `json:"source"`      // /executor/host
	Type        string    `json:"type"`        // dev.sagefleet.execution.<kind>
	Subject     string    `json:"subject"`     // mailbox/execution_id/generation
	Time        time.Time `json:"time"`
	ContentType string    `json:"datacontenttype"`
	Data        EventData `json:"data"`
}

// EventData says what happened.
type EventData struct {
	Key
	State State `json:"state"`
	// Attempt is the run that it is told of. Of one that is delegated the name is known
	// from its outcome on, since Lambda may run one attempt twice; the token is the same.
	Attempt  string   `json:"attempt,omitempty"`
	Number   int      `json:"number,omitempty"`
	From     int      `json:"from_generation,omitempty"` // the one that was redriven
	Token    uint64   `json:"token,omitempty"`
	Executor string   `json:"executor,omitempty"`
	Host     string   `json:"host,omitempty"` // of the attempt, if somebody else tells of its end
	Reason   string   `json:"reason,omitempty"`
	Code     string   `json:"code,omitempty"`
	Summary  *Summary `json:"summary,omitempty"`
	Usage    *Usage   `json:"usage,omitempty"` // each invocation's is told once
	Why      *Why     `json:"why,omitempty"`   // the attempt runs, or ran, where it does
	// Asked is told when it begins and when it ends.
	Asked *Asked `json:"asked,omitempty"`
	// CachedFrom is the outcome's.
	CachedFrom *CachedFrom `json:"cached_from,omitempty"`
	// InputBytes is how large the files were together that it ended with.
	InputBytes int64     `json:"input_bytes,omitempty"`
	Enqueued   time.Time `json:"enqueued,omitzero"`
	Started    time.Time `json:"started,omitzero"`
	Finished   time.Time `json:"finished,omitzero"`
}

// Event kinds: the last token of the subject.
const (
	EventAccepted  = "accepted" // made by whoever sees the message on the queue; nobody publishes it
	EventStarted   = "started"
	EventRetry     = "retry"
	EventSucceeded = "succeeded"
	EventDead      = "dead"
	EventCancelled = "cancelled"
	EventRedriven  = "redriven" // told of the generation that it opened

	EventReturned = "returned" // a bridge put it back, to be executed by a worker or later

	// EventSuperseded tells what an attempt cost of which nothing counts, because another's
	// outcome stands; changes nothing.
	EventSuperseded = "superseded"

	EventRepaired = "repaired" // the reconciler completed or requeued what a crash left
	EventStranded = "stranded" // its message is gone, and nobody kept the request
	EventErased   = "erased"   // the customer's data was removed
	EventViewed   = "viewed"   // somebody saw an input or a result; changes nothing
)

// NewEvent completes data to an event. The id is made of what happened, so that
// a repeated publish of the same transition is recognised.
func NewEvent(kind, host string, at time.Time, data EventData) Event {
	return Event{
		SpecVersion: "1.0",
		ID:          fmt.Sprintf("%s:%s:%d:%s", data.Key, kind, data.Token, data.Attempt),
		Source:      "/" + data.Executor + "/" + host,
		Type:        "dev.sagefleet.execution." + kind,
		Subject:     fmt.Sprintf("%s/%s/%d", data.Mailbox, data.Key.ID, data.Generation),
		Time:        at.UTC(),
		ContentType: "application/json",
		Data:        data,
	}
}

// EventKind is the kind of event that a terminal outcome gives.
func (k Kind) EventKind() string {
	switch k {
	case Succeeded:
		return EventSucceeded
	case Cancelled:
		return EventCancelled
	default:
		return EventDead
	}
}
