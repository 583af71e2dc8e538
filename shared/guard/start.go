package guard

import (
	"context"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/state"
)

// tellsStart is how long work that succeeds has to take for its start to be told, too:
// its end says when, where and why it started. Most files take less, whose starts nobody
// could have watched, and cost one event instead of two.
const tellsStart = 250 * time.Millisecond

// start is what is told of the start of an attempt.
type start struct {
	tell  func()
	timer *time.Timer                      // nil if it was told at once
	sent  chan func(context.Context) error // waits until what was told is stored
}

// start tells that the attempt a, of which r is the record, has started: at once when a
// Lambda does the work or is to do it, otherwise when that has taken a while.
func (g *Guard) start(a execution.Attempt, r state.Record) start {
	s := start{sent: make(chan func(context.Context) error, 1)}
	s.tell = func() { s.sent <- g.tell(execution.EventStarted, r, a.Number, nil, a.Request.Asked()) }
	if g.who.Executor == execution.OnWorker {
		s.timer = time.AfterFunc(tellsStart, s.tell)
	} else {
		s.tell()
	}
	return s
}

// now tells it if it was not told yet: no end says it of an attempt that fails.
func (s start) now() {
	if s.timer != nil && s.timer.Stop() {
		s.tell()
	}
}

// ended tells it no more if the end o says it as well, which is its attempt's own, and
// waits until what was told is stored.
func (s start) ended(ctx context.Context, o execution.Outcome, own bool) error {
	if o.Kind != execution.Succeeded || !own {
		s.now()
	} else if s.timer != nil && s.timer.Stop() {
		return nil
	}
	return (<-s.sent)(ctx)
}
