// Package delegation keeps the ledger of what was handed to a Lambda: one entry for
// each generation of an execution, in a KV bucket.
//
// An entry is written before the invocation that it tells of, so whoever finds a
// message that is delivered again knows that the work may still be going on, and
// until when. It decides nothing about results; it saves doing, and paying for, the
// same work twice. It is changed only by compare-and-set.
package delegation

import (
	"fmt"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// State is where a delegation stands.
type State string

// The states. In the first three the work may be going on; in the others it can't be. None
// says "reserved": that is the ticket's word (see package shares), written before any entry.
// A bridge that dies in between has asked nobody, so there is nothing to wait for.
const (
	// Invoked is written just before the Lambda is asked: a bridge that dies then
	// leaves nobody who knows whether it was.
	Invoked State = "invoked"
	// Running says that Lambda has taken an event, and nothing of how it ended.
	Running State = "running"
	// Unknown says that nobody waits for the answer any more, or that it was lost.
	Unknown State = "unknown"

	// Ended says that an OUTCOME stands.
	Ended State = "outcome"
	// Failed says that the run is over and left no OUTCOME.
	Failed State = "failed"
	// Refused says that the function did not run.
	Refused State = "refused"
	// Expired says that no OUTCOME came until the run can't have been going on any more.
	Expired State = "expired"
)

// Over reports whether the work can't be going on.
func (s State) Over() bool { return s == Ended || s == Failed || s == Refused || s == Expired }

func (s State) known() bool { return s.Over() || s == Invoked || s == Running || s == Unknown }

// Modes of asking a Lambda.
const (
	ModeSync  = "sync"  // the answer is awaited
	ModeEvent = "event" // Lambda takes a note, and the OUTCOME is awaited
)

// Version is the highest version of the entry's format that this code knows.
const Version = 1

// Entry is one generation's last delegation. Every version of its format has the key, the
// version and the expiry; of one that isn't known, an Entry has nothing else.
type Entry struct {
	execution.Key
	Version  int    `json:"version,omitempty"` // of this format; 0 means 1
	Token    uint64 `json:"token"`             // of the lock under which the attempt was made
	Number   int    `json:"number"`            // of the attempt
	State    State  `json:"state"`
	Function string `json:"function"` // name or ARN
	Bridge   string `json:"bridge"`   // host
	Mode     string `json:"mode"`
	Class    string `json:"class,omitempty"`
	Trace    string `json:"trace,omitempty"` // W3C traceparent of the invocation
	// Reservation names the part of the bridge's share of the budget that was
	// reserved; empty without a budget.
	Reservation string  `json:"reservation,omitempty"`
	ReservedUSD float64 `json:"reserved_usd"` // the most that the run can cost
	// Billed is what the run cost; nil until that is known. Nobody learns it of a run
	// whose answer was lost.
	Billed    *execution.Usage `json:"billed,omitempty"`
	RequestID string           `json:"request_id,omitempty"` // Lambda's
	Code      string           `json:"code,omitempty"`       // why there is no OUTCOME
	Reason    string           `json:"reason,omitempty"`     // the same in words
	Invoked   time.Time        `json:"invoked"`
	// Expiry is when the run can't be going on any more.
	Expiry  time.Time `json:"expiry"`
	Updated time.Time `json:"updated"`
}

// Newer reports whether a newer program wrote e, or will have to read it.
func (e Entry) Newer() bool { return e.Version > Version }

// Live reports whether the work may be going on at now. Of a newer entry nobody here can
// say that it is over before its expiry.
func (e Entry) Live(now time.Time) bool {
	return (e.Newer() || e.State != "" && !e.State.Over()) && now.Before(e.Expiry)
}

func (e Entry) modeKnown() bool { return e.Mode == ModeSync || e.Mode == ModeEvent }

// validate refuses what no bridge writes.
func (e Entry) validate() error {
	if err := e.Key.Validate(); err != nil {
		return err
	}
	if err := execution.CheckVersion("a delegation's entry", e.Version, Version); err != nil {
		return err // what it was read without would be lost
	}
	switch {
	case !e.State.known():
		return fmt.Errorf("state %q", e.State)
	case !e.modeKnown():
		return fmt.Errorf("mode %q", e.Mode)
	case !(e.ReservedUSD >= 0): // NaN too
		return fmt.Errorf("reserved_usd %v", e.ReservedUSD)
	case e.Billed != nil && !(e.Billed.CostUSD >= 0):
		return fmt.Errorf("cost_usd %v", e.Billed.CostUSD)
	case e.Invoked.IsZero() || e.Expiry.Before(e.Invoked):
		return fmt.Errorf("invoked %v and expiry %v", e.Invoked, e.Expiry)
	}
	return nil
}
