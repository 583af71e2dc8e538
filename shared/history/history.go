// Package history checks what happened against what was promised: nothing that
// was accepted is lost, no result is committed twice, and everything that is told
// of an execution agrees with how it ended.
//
// It decides by the outcomes in storage. Events, records, dead letters and what
// still waits are what is compared with them. It reads all of that once and sorts
// it outside of memory, so that a history may be of any size.
package history

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Guarantee is one of the fleet's promises, by its number.
type Guarantee string

// The guarantees, as far as they can be seen from outside.
const (
	OneEnd     Guarantee = "I1" // what is told and recorded of an end is what is stored
	OneResult  Guarantee = "I2" // at most one attempt committed
	Unchanged  Guarantee = "I3" // what was committed stays
	NotLost    Guarantee = "I4" // what was accepted has ended, or waits
	Complete   Guarantee = "I5" // an end is followed by its record, event and dead letter
	OneRedrive Guarantee = "I6" // a generation follows one that is DEAD
	NoGhosts   Guarantee = "I7" // nothing from before a redrive commits into it
	Durable    Guarantee = "I8" // what is known to be accepted left a trace
)

// Finding is one violation.
type Finding struct {
	Guarantee Guarantee     `json:"guarantee"`
	Key       execution.Key `json:"execution"`
	What      string        `json:"what"`
	Events    []uint64      `json:"event_sequences,omitempty"` // in the stream of events
	Do        string        `json:"do"`
}

func (f Finding) String() string {
	at := ""
	if len(f.Events) > 0 {
		at = fmt.Sprintf(" (events %v)", f.Events)
	}
	return fmt.Sprintf("%s %s: %s%s; %s", f.Guarantee, f.Key, f.What, at, f.Do)
}

// Report is what a check found.
type Report struct {
	Accepted   int            `json:"accepted"` // generations that left any trace, or are known to be accepted
	Succeeded  int            `json:"succeeded"`
	Dead       int            `json:"dead"`
	Cancelled  int            `json:"cancelled"`
	Open       int            `json:"open"`         // not ended, and they wait or run
	Lost       int            `json:"lost"`         // accepted, without an outcome, and waiting nowhere
	Doubled    int            `json:"doubled"`      // told of more than one committed result
	Hashed     int64          `json:"hashed_bytes"` // of results, compared with their SHA-256
	Large      int            `json:"large_files"`  // large results among them
	Sized      int            `json:"sized_files"`  // large results of which only the size was compared
	Gone       int            `json:"files_gone"`   // large results that are not there, and need not be
	Refused    int            `json:"refused"`      // dead letters that name no execution
	ByExecutor map[string]int `json:"by_executor"`
	CostUSD    float64        `json:"lambda_usd"` // of every invocation told of, failed ones included

	Violations map[Guarantee]int `json:"violations"`         // all there are
	Findings   []Finding         `json:"findings,omitempty"` // the first of them
	// EventsSince is when the oldest event was stored that is still kept: ends
	// before that can't be compared with what was told.
	EventsSince time.Time `json:"events_since,omitzero"`
	// Waits are the times from acceptance to the start of the attempt that
	// committed.
	Waits Times `json:"-"`
}

// maxFindings is how many findings a report keeps; see [Options.Found] for all.
const maxFindings = 1000

// Explain lists the findings, one a line.
func (r Report) Explain() string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// Clean reports whether nothing was found.
func (r Report) Clean() bool { return len(r.Violations) == 0 }

// Options say what is checked.
type Options struct {
	// Objects is the fleet's storage, to find accepted requests in; they aren't
	// looked for when it is nil.
	Objects  storage.Store
	Accepted iter.Seq[execution.Key] // known to have been accepted, by whoever submitted them
	Mailbox  string                  // only this one; all when empty
	Since    time.Time               // only what ended, or was accepted, since then
	// Bytes says that large results are read, too, to compare their bytes.
	Bytes bool
	// Kept is for how long after its end an execution must still have its large results;
	// 0 says that they may be gone.
	Kept time.Duration
	// Ended says that nothing may wait or run any more, and that nothing is so
	// recent that what belongs to it may be under way.
	Ended    bool
	Found    func(Finding)            // is told each finding; may be nil
	Progress func(what string, n int) // is told what is read, and how many were; may be nil
}

// Check is [Verify] for a fleet where everything accepted should have ended.
func Check(ctx context.Context, js jetstream.JetStream, outcomes *outcome.Store, accepted []execution.Key) (Report, error) {
	return Verify(ctx, js, outcomes, Options{Accepted: slices.Values(accepted), Ended: true, Bytes: true, Kept: time.Hour})
}

// Verify compares everything that is known of executions. It only reads, and may
// be run while the fleet works.
func Verify(ctx context.Context, js jetstream.JetStream, outcomes *outcome.Store, opts Options) (Report, error) {
	facts := newSorter()
	defer facts.close()
	c := collector{js: js, outcomes: outcomes, opts: opts, facts: facts}
	if err := c.collect(ctx); err != nil {
		return Report{}, err
	}
	j := newJudge(ctx, js, outcomes, opts, c.horizon)
	j.letters = c.letters
	j.report.Refused, j.report.EventsSince = c.refused, c.eventsSince
	j.report.Hashed, j.report.Large, j.report.Sized = c.hashed, c.large, c.sized
	for f, err := range facts.sorted() {
		if err == nil {
			err = j.hear(f)
		}
		if err != nil {
			return j.report, err
		}
	}
	return j.report, j.decide()
}
