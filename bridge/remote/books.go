package remote

import (
	"context"
	"time"

	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Books are kept of every invocation; see package books.
type Books interface {
	// Begin is called just before the Lambda is asked to carry out a, which it can't be
	// doing any more after expiry. With an error it is not asked. end is called once, and
	// before that with Running if Lambda has taken an event.
	Begin(ctx context.Context, a execution.Attempt, expiry time.Time) (end func(context.Context, Result), err error)
}

// Result is what came of an invocation.
type Result struct {
	State     delegation.State // Running, Ended, Failed, Refused, Expired, or Unknown
	Usage     *execution.Usage // nil when the bill isn't known
	AtMost    float64          // USD that it cost, when the run is over and the bill isn't known; 0 is unknown
	RequestID string           // Lambda's; empty when it didn't answer
	Err       error            // why there is no outcome
}

// Option changes an Executor.
type Option func(*Executor)

// WithBooks has books kept of the invocations.
func WithBooks(b Books) Option { return func(e *Executor) { e.books = b } }

// noBooks keeps none.
type noBooks struct{}

func (noBooks) Begin(context.Context, execution.Attempt, time.Time) (func(context.Context, Result), error) {
	return func(context.Context, Result) {}, nil
}

// result sums up an invocation that was answered with asked and settled with err.
func (asked answer) result(err error, expiry time.Time) Result {
	r := Result{State: delegation.Failed, Usage: asked.usage, RequestID: asked.requestID, Err: err}
	switch code := fault.CodeOf(asked.err); {
	case err == nil:
		r.State = delegation.Ended
	case code == CodeThrottled || code == CodeUnavailable || code == CodePayload:
		r.State = delegation.Refused
	case asked.running && time.Now().Before(expiry):
		r.State = delegation.Unknown
	case asked.running:
		r.State = delegation.Expired
	}
	return r
}
