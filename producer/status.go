package producer

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Codes of executions that nobody can say anything about.
const (
	CodeUnknown      fault.Code = "EXECUTION_UNKNOWN"       // the fleet has never heard of it
	CodeNotPublished fault.Code = "EXECUTION_NOT_PUBLISHED" // its files are stored, but it is not on the queue
)

// Status is where one generation of an execution stands. Of an ended one it says
// what the outcome says, and what its run cost, if that is known.
type Status struct {
	execution.Key
	State         execution.State       `json:"state"`
	RequestDigest string                `json:"request_digest,omitempty"`
	Attempts      int                   `json:"attempts"` // made or under way; 0 while it waits for its first
	Executor      string                `json:"executor,omitempty"`
	Host          string                `json:"host,omitempty"`
	Summary       *execution.Summary    `json:"summary,omitempty"`
	CachedFrom    *execution.CachedFrom `json:"cached_from,omitempty"` // nothing was processed anew
	Fault         *fault.Error          `json:"fault,omitempty"`       // why it is DEAD, or why its last attempt failed
	Erased        *execution.Erasure    `json:"erased,omitempty"`      // nothing else is known any more
	Usage         *execution.Usage      `json:"usage,omitempty"`
	Files         []execution.File      `json:"files,omitempty"`
	Inputs        []execution.File      `json:"inputs,omitempty"`
	Enqueued      time.Time             `json:"enqueued,omitzero"`
	Started       time.Time             `json:"started,omitzero"`
	Finished      time.Time             `json:"finished,omitzero"`
}

// Tracker tells where executions stand.
type Tracker struct {
	js       jetstream.JetStream
	states   *state.Store
	objects  storage.Store
	outcomes *outcome.Store
}

// NewTracker returns a Tracker over the fleet's queue, records and storage.
func NewTracker(js jetstream.JetStream, states *state.Store, objects storage.Store) *Tracker {
	return &Tracker{js: js, states: states, objects: objects, outcomes: outcome.New(objects)}
}

// Status returns where the last generation of an execution stands: its outcome if
// it has ended, else its record, else that it waits on the queue. Its error has
// the code EXECUTION_UNKNOWN or EXECUTION_NOT_PUBLISHED when there is none of these.
func (t *Tracker) Status(ctx context.Context, mailbox, id string) (Status, error) {
	const looks = 2 // it may move from the queue to its outcome between two questions
	for range looks {
		ended, err := t.outcomes.Last(ctx, mailbox, id)
		next := execution.Key{Mailbox: mailbox, ID: id, Generation: ended.Generation + 1}
		switch {
		case err != nil && !errors.Is(err, outcome.ErrNone):
			return Status{}, err
		case err == nil && ended.Kind != execution.Dead:
			return t.ended(ctx, ended), nil
		}
		s, found, err := t.underWay(ctx, next)
		switch {
		case err != nil || found:
			return s, err
		case next.Generation > 1:
			return t.ended(ctx, ended), nil
		}
	}
	return Status{}, t.unknown(ctx, mailbox, id)
}

// ended is the status of an outcome, and what it cost if the record can be asked:
// an outcome is told even when NATS is away.
func (t *Tracker) ended(ctx context.Context, o execution.Outcome) Status {
	s := Status{
		Key: o.Key, State: o.Kind.Terminal(), RequestDigest: o.RequestDigest, Attempts: o.Number,
		Executor: o.Executor, Host: o.Host, Summary: o.Summary, CachedFrom: o.CachedFrom, Fault: o.Fault, Erased: o.Erased, Files: o.Files, Inputs: o.Inputs,
		Enqueued: o.Enqueued, Started: o.Started, Finished: o.Finished,
	}
	if r, _, err := t.states.Load(ctx, o.Key); err == nil {
		s.Usage = r.Usage
	}
	return s
}

// underWay returns the status of a generation that has not ended, if there is
// such a one.
func (t *Tracker) underWay(ctx context.Context, k execution.Key) (s Status, found bool, err error) {
	r, revision, err := t.states.Load(ctx, k)
	if err != nil || revision > 0 {
		return recorded(r), true, err
	}
	waiting, found, err := queue.Find(ctx, t.js, k)
	return Status{Key: k, State: execution.Accepted, Enqueued: waiting.Stored}, found, err
}

// recorded is the status of a record.
func recorded(r state.Record) Status {
	s := Status{
		Key: r.Key, State: r.State, RequestDigest: r.RequestDigest, Attempts: r.Failures, Executor: r.Executor, Host: r.Host,
		Summary: r.Summary, CachedFrom: r.CachedFrom, Usage: r.Usage, Enqueued: r.Enqueued, Started: r.Started,
	}
	if r.State == execution.Running {
		s.Attempts++
	}
	if r.Reason != "" {
		message := strings.TrimSuffix(r.Reason, " ["+r.Code+"]") // a fault says its code itself
		s.Fault = &fault.Error{Code: fault.Code(r.Code), Message: message}
	}
	return s
}

// unknown says what is wrong with an execution that is nowhere.
func (t *Tracker) unknown(ctx context.Context, mailbox, id string) error {
	_, err := intake.Request(ctx, t.objects, mailbox, id)
	switch {
	case err == nil:
		return fault.New(CodeNotPublished, "execution %s of mailbox %s is stored but not on the queue", id, mailbox).
			Expecting("a submission that was not interrupted").Advise("submit the same files again under the same id")
	case !errors.Is(err, storage.ErrNotFound):
		return err
	}
	return fault.New(CodeUnknown, "mailbox %s has no execution %s", mailbox, id).
		Expecting("an id that was submitted to this mailbox").
		Advise("check the id and the mailbox; they must be those of the submission")
}
