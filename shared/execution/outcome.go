package execution

import (
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Kind is how a generation ended. There is exactly one per generation.
type Kind string

const (
	// Succeeded means that a report was made, also one that lists errors.
	Succeeded Kind = "SUCCEEDED"
	// Dead means that no report could be made, and that trying again can't help.
	Dead Kind = "DEAD"
	// Cancelled means that somebody stopped it first.
	Cancelled Kind = "CANCELLED"
)

// Outcome is the write-once end of one generation: the commit point. It is
// stored as the first line of an OUTCOME object (see package outcome).
type Outcome struct {
	Version int `json:"version"` // of this format: 1
	Key
	Kind          Kind         `json:"kind"`
	Attempt       string       `json:"attempt"` // who won: token-random
	Number        int          `json:"number"`  // 1-based attempt number
	Executor      string       `json:"executor"`
	Host          string       `json:"host,omitempty"`
	RequestDigest string       `json:"request_digest"`
	Sender        string       `json:"sender,omitempty"`  // the request's
	Method        string       `json:"method,omitempty"`  // the request's
	Class         string       `json:"class,omitempty"`   // the request's
	Deadline      time.Time    `json:"deadline,omitzero"` // the request's; zero is none
	Summary       *Summary     `json:"summary,omitempty"`
	Fault         *fault.Error `json:"fault,omitempty"`       // why it is DEAD or CANCELLED
	CachedFrom    *CachedFrom  `json:"cached_from,omitempty"` // set when nothing was processed
	Files         []File       `json:"files,omitempty"`
	Inputs        []File       `json:"inputs,omitempty"` // what was read
	Enqueued      time.Time    `json:"enqueued,omitzero"`
	Started       time.Time    `json:"started,omitzero"`
	Finished      time.Time    `json:"finished"`

	// Erased is set when the customer's data was removed: what is left says that it
	// ended, how and when.
	Erased *Erasure `json:"erased,omitempty"`

	// Usage is known to who paid, not to who worked: it stands in records and
	// events, never in the stored object.
	Usage *Usage `json:"usage,omitempty"`
}

// InputBytes is how large the files were together that were read.
func (o Outcome) InputBytes() int64 {
	var sum int64
	for _, f := range o.Inputs {
		sum += f.Size
	}
	return sum
}

// Late reports whether o came after the time that the request asked for.
func (o Outcome) Late() bool {
	return o.Kind != Cancelled && !o.Deadline.IsZero() && o.Finished.After(o.Deadline)
}

// Erasure is who removed a customer's data, when and why.
type Erasure struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
}

// OutcomeVersion is the version of the OUTCOME format that this code writes.
const OutcomeVersion = 1

// Executors, as outcomes, records and events name them.
const (
	OnWorker = "worker"
	OnLambda = "lambda"
	// ByOperator is who cancelled or redrove: the host is a person's name.
	ByOperator = "operator"
)

// Summary is what the report says in one line.
type Summary struct {
	Status   string `json:"status"`
	Records  int    `json:"records"`
	Errors   int    `json:"errors"`
	Warnings int    `json:"warnings"`
}

// CachedFrom says whose findings a report repeats: those of an earlier execution of
// the same mailbox, with the same inputs under the same configuration.
type CachedFrom struct {
	ExecutionID string    `json:"execution_id"`
	Key         string    `json:"key"`  // hex SHA-256 of all that findings depend on
	Made        time.Time `json:"made"` // when they were found
}

// File is one file of the result or of the input.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hex
	// Key is where the file lies in storage; empty when it lies inside the
	// OUTCOME object itself.
	Key string `json:"key,omitempty"`
	// Source is the URI that an input was read from.
	Source string `json:"source,omitempty"`
}

// Usage is what one delegated run was billed.
type Usage struct {
	BilledMillis int64   `json:"billed_ms"`
	InitMillis   int64   `json:"init_ms,omitempty"`
	MemoryMB     int64   `json:"memory_mb"`
	CostUSD      float64 `json:"cost_usd"`
}

// State is where an execution stands.
type State string

// The states before the end; the end's are the kinds of outcome.
const (
	Accepted  State = "ACCEPTED"
	Running   State = "RUNNING"
	RetryWait State = "RETRY_WAIT"
)

// Terminal is the state that a kind of outcome leads to.
func (k Kind) Terminal() State { return State(k) }

// Terminal reports whether nothing can follow s in its generation.
func (s State) Terminal() bool {
	return s == State(Succeeded) || s == State(Dead) || s == State(Cancelled)
}
