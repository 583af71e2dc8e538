package guard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/state"
)

// Delegations knows which invocations may still be doing the work.
type Delegations interface {
	Load(context.Context, execution.Key) (delegation.Entry, uint64, error)
}

// errDelegated waits for an outcome that an invocation may yet commit.
var errDelegated = errors.New("an invocation may be doing this work")

// How long a message that waits for an invocation's outcome stays away: a part of
// the time since the invocation, so that a long run is not asked about all the time.
const (
	shortestStay = 250 * time.Millisecond
	longestStay  = 5 * time.Second
	stayPart     = 8
)

// elsewhere returns a *execution.BusyError while an invocation may be doing the work
// of a, whose record is r, and waiting for it is better than doing it again: until
// the invocation must have ended, or until the work must begin to meet its deadline.
// One who would invoke again waits for the end in any case, and leaves to workers what
// can't.
//
// It asks only where there may be such an invocation, so that ordinary work costs no
// round trip more. The message waits in the queue meanwhile and takes up no slot.
func (g *Guard) elsewhere(ctx context.Context, a execution.Attempt, r state.Record) error {
	onLambda := r.State == execution.Running && r.Executor == execution.OnLambda
	if a.Deliveries <= 1 && !onLambda {
		return nil
	}
	entry, _, err := g.ledger.Load(ctx, a.Request.Key())
	if err != nil {
		return busy(err)
	}
	now := time.Now()
	if !entry.Live(now) {
		return nil
	}
	until := entry.Expiry
	latest := a.Request.Deadline.Add(-g.pace.expected())
	urgent := !a.Request.Deadline.IsZero() && latest.Before(until)
	if urgent && !g.who.Delegates {
		until = latest
	}
	left := until.Sub(now)
	if left <= 0 {
		zerolog.Ctx(ctx).Warn().Str("bridge", entry.Bridge).Time("expiry", entry.Expiry).Time("deadline", a.Request.Deadline).
			Msg("not waiting for an invocation any longer")
		return nil
	}
	stay := min(max(now.Sub(entry.Invoked)/stayPart, shortestStay), longestStay, left)
	return &execution.BusyError{For: stay, Local: urgent && g.who.Delegates && latest.Before(now), Err: fmt.Errorf("%w: %s since %s by %s, until %s", errDelegated,
		entry.State, entry.Invoked.Format(time.RFC3339), entry.Bridge, entry.Expiry.Format(time.RFC3339))}
}

// pace is how long executions take here, as a moving mean.
type pace struct {
	mu   sync.Mutex
	n    int
	mean time.Duration
}

const (
	firstGuess = 1500 * time.Millisecond // before anything was measured
	leastGain  = 0.02                    // of the newest in the mean
	warmUp     = 5                       // measurements that the guess counts for
)

// took counts one execution.
func (p *pace) took(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		p.mean = firstGuess
	}
	p.n++
	gain := max(leastGain, 1/float64(p.n+warmUp))
	p.mean += time.Duration(gain * float64(d-p.mean))
}

// expected is how long to allow for an execution: twice the mean, since many take
// longer than that.
func (p *pace) expected() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		return 2 * firstGuess
	}
	return 2 * p.mean
}
