package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Codes of acts that were refused. Nothing was changed then.
const (
	CodeNotDead     fault.Code = "EXECUTION_NOT_DEAD" // only a DEAD generation can be redriven
	CodeRequestGone fault.Code = "REQUEST_GONE"       // nobody has the request's bytes any more
)

// CodeCancelled is why a CANCELLED execution ended.
const CodeCancelled fault.Code = "CANCELLED"

// Operator acts on executions that were accepted: it redrives and cancels them.
// Everything it does may be done again, also by several at once.
type Operator struct {
	js       jetstream.JetStream
	objects  storage.Store
	outcomes *outcome.Store
	states   *state.Store
	locks    *lock.Locker
	events   guard.Events
	tracker  *Tracker
	who      string
}

// OpenOperator returns an Operator for a person called who, over the fleet's own
// buckets. Records of what it ends are kept for ttl.
func OpenOperator(ctx context.Context, js jetstream.JetStream, objects storage.Store, fleet bus.Config, ttl time.Duration, who string) (*Operator, error) {
	locks, err := js.KeyValue(ctx, bus.BucketLocks)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketLocks, err)
	}
	kv, err := js.KeyValue(ctx, bus.BucketState)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketState, err)
	}
	states := state.New(js, kv, ttl)
	return &Operator{js: js, objects: objects, outcomes: outcome.New(objects), states: states,
		locks: lock.New(js, locks, fleet.LockTTL(), who), events: event.New(js, bus.SubjectEvent),
		tracker: NewTracker(js, states, objects), who: who}, nil
}

// As returns an Operator who acts as somebody else: events and records name who.
func (p *Operator) As(who string) *Operator {
	as := *p
	as.who = who
	return &as
}

// request returns the bytes of an execution for another generation: those that
// were submitted, or else those of the dead letter. Only what has the digest is
// the execution's.
func (p *Operator) request(ctx context.Context, o execution.Outcome, letter queue.Letter) (execution.Request, error) {
	r, err := intake.Request(ctx, p.objects, o.Mailbox, o.ID)
	switch {
	case err == nil && r.Digest() == o.RequestDigest:
		return r, nil
	case err != nil && !errors.Is(err, storage.ErrNotFound) && !errors.Is(err, intake.ErrNoRequest):
		return r, fmt.Errorf("read the request: %w", err)
	}
	if len(letter.Data) > 0 {
		if r, err := letter.Request(); err == nil && r.Digest() == o.RequestDigest {
			return r, nil
		}
	}
	return r, fault.New(CodeRequestGone, "the request of execution %s of mailbox %s is not kept any more", o.ID, o.Mailbox).
		Expecting("request.json beside its inputs, or its dead letter").
		Advise("submit the files again under another id").Permanent()
}
