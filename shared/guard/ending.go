package guard

import (
	"context"
	"errors"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/state"
)

// Ending records and tells how generations ended, from the outcomes that stand.
// Whoever commits or finds one uses it, so that all of them say the same.
type Ending struct {
	states *state.Store
	events Events
	host   string
}

// NewEnding returns an Ending for whoever runs on host.
func NewEnding(states *state.Store, events Events, host string) *Ending {
	return &Ending{states: states, events: events, host: host}
}

// Settle writes the record from o, unless r, as it was at revision, says that it
// has ended already, and tells the event. It may be repeated: the event's id is
// made of what the outcome says, and so the same.
func (e *Ending) Settle(ctx context.Context, r state.Record, revision uint64, o execution.Outcome) error {
	recorded := r.State.Terminal()
	r.State, r.RequestDigest, r.Attempt, r.Summary = o.Kind.Terminal(), o.RequestDigest, o.Attempt, o.Summary
	r.Token = execution.AttemptToken(o.Attempt)
	r.Executor, r.Host, r.Enqueued, r.Started, r.Updated = o.Executor, o.Host, o.Enqueued, o.Started, time.Now().UTC()
	r.Code, r.Reason = "", ""
	if o.Fault != nil {
		r.Code, r.Reason = string(o.Fault.Code), o.Fault.Error()
	}
	if o.Usage != nil {
		r.Usage = o.Usage
	}
	r.Failures = max(r.Failures, o.Number-1)
	told := transition(r, r.Reason, r.Usage)
	told.Finished = o.Finished
	kind := o.Kind.EventKind()
	stored := e.events.Publish(kind, execution.NewEvent(kind, e.host, r.Updated, told))
	failpoint.Hit(failpoint.EventSent)
	if !recorded {
		if _, err := e.states.Save(ctx, r, revision); err != nil && !errors.Is(err, state.ErrStale) {
			return err
		}
	}
	failpoint.Hit(failpoint.Ended)
	return stored(ctx)
}

// transition says in an event what r says.
func transition(r state.Record, reason string, usage *execution.Usage) execution.EventData {
	return execution.EventData{Key: r.Key, State: r.State, Attempt: r.Attempt, Number: r.Failures + 1, Token: r.Token,
		Executor: r.Executor, Reason: reason, Code: r.Code, Summary: r.Summary, Usage: usage,
		Enqueued: r.Enqueued, Started: r.Started}
}
