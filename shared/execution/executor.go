// Package execution holds the words the whole fleet shares: what is asked for
// (Request), under which name (Key), how it ended (Outcome), and the one seam of
// the design (Executor).
//
// It imports nothing but the standard library and fault.
package execution

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Executor is anything that can carry out a request: a worker's own executor, a
// Lambda behind a bridge, or a guard around either.
//
// It returns the outcome that stands, which need not be its own. An error means
// that no outcome stands as far as it knows; [*BusyError] and [*RetryError] tell the
// queue what to do with the message.
type Executor interface {
	Execute(context.Context, Attempt) (Outcome, error)
}

// ExecutorFunc is a function as an Executor.
type ExecutorFunc func(context.Context, Attempt) (Outcome, error)

// Execute calls f.
func (f ExecutorFunc) Execute(ctx context.Context, a Attempt) (Outcome, error) { return f(ctx, a) }

// Attempt is one try at a request.
type Attempt struct {
	Request Request
	// ID is the run's own, under the token; empty where whoever works makes its own, as a
	// Lambda does, which may run twice for one attempt.
	ID string
	// Token is the lock's revision when it was acquired. A later holder has a
	// larger one. 0 means that no lock is held.
	Token uint64
	// Number counts failed attempts before this one, plus 1.
	Number int
	// Deliveries is how often the queue has handed out this message, this time
	// included. Above 1, an earlier holder may have crashed.
	Deliveries int
	// Enqueued is when the request was first accepted.
	Enqueued time.Time
	// Early says that the message is still on the queue and was not handed out: it
	// will be when its turn comes. Only a first attempt may be made so.
	Early bool
	// Why is why it runs here.
	Why *Why
}

// BusyError says that the request can't be executed right now for a reason that
// is not its own: it is being executed elsewhere, or capacity is refused. It
// charges no attempt.
type BusyError struct {
	For time.Duration // ask again after; 0 leaves it to others at once
	// Local says that workers alone should have it from now on.
	Local bool
	Err   error
}

func (e *BusyError) Error() string { return fmt.Sprintf("busy for %v: %v", e.For, e.Err) }
func (e *BusyError) Unwrap() error { return e.Err }

// BilledError is a failed attempt that cost money and left no outcome.
type BilledError struct {
	Usage Usage
	Err   error
}

func (e *BilledError) Error() string { return e.Err.Error() }
func (e *BilledError) Unwrap() error { return e.Err }

// Billed returns what the attempt that failed with err was billed, nil when it wasn't or
// nobody knows.
func Billed(err error) *Usage {
	if billed, ok := errors.AsType[*BilledError](err); ok {
		return &billed.Usage
	}
	return nil
}

// Bill returns err as that of an attempt that cost u, which may be nil.
func Bill(err error, u *Usage) error {
	if u == nil {
		return err
	}
	return &BilledError{Usage: *u, Err: err}
}

// RetryError says that an attempt failed and was charged, and that another is due.
type RetryError struct {
	Number int // of the attempt that failed
	Err    error
}

func (e *RetryError) Error() string { return fmt.Sprintf("attempt %d: %v", e.Number, e.Err) }
func (e *RetryError) Unwrap() error { return e.Err }
