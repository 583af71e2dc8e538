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

// Settle writes the record from o, unless r, as it was at revision, says the same
// already, and tells the event, both at once. It may be repeated: the event's id is made
// of what the outcome says, and so the same. Until it succeeds, a message must be there
// to have it repeated.
func (e *Ending) Settle(ctx context.Context, r state.Record, revision uint64, o execution.Outcome) error {
	if o.Erased != nil {
		return nil // a record or an event would bring back what was removed
	}
	stored := e.tell(r, o)
	failpoint.Hit(failpoint.EventSent)
	if err := e.record(ctx, r, revision, o); err != nil {
		return err
	}
	failpoint.Hit(failpoint.Ended)
	return stored(ctx)
}

// SettleAlone is Settle for an execution that has no message: it writes the record once
// the event is stored, because nobody asks whether what is recorded was told.
func (e *Ending) SettleAlone(ctx context.Context, r state.Record, revision uint64, o execution.Outcome) error {
	if o.Erased != nil {
		return nil
	}
	stored := e.tell(r, o)
	failpoint.Hit(failpoint.EventSent)
	if err := stored(ctx); err != nil {
		return err
	}
	if err := e.record(ctx, r, revision, o); err != nil {
		return err
	}
	failpoint.Hit(failpoint.Ended)
	return nil
}

// tell tells the event of o, of which r is the record.
func (e *Ending) tell(r state.Record, o execution.Outcome) (stored func(context.Context) error) {
	r = ended(r, o)
	told := transition(r, o.Number)
	told.Finished, told.Usage, told.InputBytes, told.Asked = o.Finished, r.Usage, o.InputBytes(), o.Asked()
	told.Why = r.Why // its start may not have been told
	if o.Host != e.host {
		told.Host = o.Host
	}
	kind := o.Kind.EventKind()
	return e.events.Publish(kind, execution.NewEvent(kind, e.host, r.Updated, told))
}

// record has the record say what o says, whatever is written meanwhile: who does that may
// not know of the outcome, and be the last to write.
func (e *Ending) record(ctx context.Context, r state.Record, revision uint64, o execution.Outcome) error {
	for r.State != o.Kind.Terminal() || r.Attempt != o.Attempt {
		_, err := e.states.Save(ctx, ended(r, o), revision)
		if err == nil {
			return nil
		}
		if !errors.Is(err, state.ErrStale) {
			return err
		}
		if r, revision, err = e.states.Load(ctx, o.Key); err != nil {
			return err
		}
	}
	return nil
}

// ended is the record r, saying what the outcome o says.
func ended(r state.Record, o execution.Outcome) state.Record {
	r.State, r.RequestDigest, r.Attempt, r.Summary = o.Kind.Terminal(), o.RequestDigest, o.Attempt, o.Summary
	r.CachedFrom = o.CachedFrom
	if token := execution.AttemptToken(o.Attempt); r.Token != token {
		r.Token, r.Usage, r.Why = token, nil, nil // they are another attempt's, and were told with it
	}
	if o.Usage != nil {
		r.Usage = o.Usage
	}
	r.Executor, r.Host, r.Started, r.Updated = o.Executor, o.Host, o.Started, time.Now().UTC()
	if !o.Enqueued.IsZero() {
		r.Enqueued = o.Enqueued
	}
	r.Code, r.Reason = "", ""
	if o.Fault != nil {
		r.Code, r.Reason = string(o.Fault.Code), o.Fault.Error()
	}
	r.Failures = max(r.Failures, o.Number-1)
	return r
}

// transition says in an event what r says, of the attempt with that number.
func transition(r state.Record, number int) execution.EventData {
	return execution.EventData{Key: r.Key, State: r.State, Attempt: r.Attempt, Number: number, Token: r.Token,
		Executor: r.Executor, Reason: r.Reason, Code: r.Code, Summary: r.Summary, CachedFrom: r.CachedFrom, Enqueued: r.Enqueued, Started: r.Started}
}
