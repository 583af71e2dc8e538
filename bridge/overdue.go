package bridge

import (
	"context"
	"time"

	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeOverdue says that an invocation was not waited for any longer, so that a worker may
// do the work before its deadline.
const CodeOverdue fault.Code = "BRIDGE_OVERDUE"

// askAgain is how soon it is looked again whether a worker could do it.
const askAgain = time.Second

// waitFor returns a context for the invocation of a, which ends when a worker should do
// the work instead. The run may be going on, or never have arrived: nobody can tell. It
// loses at the commit if it comes second.
func (b *Bridge) waitFor(ctx context.Context, a execution.Attempt) (waiting context.Context, stop func()) {
	waiting, cancel := context.WithCancelCause(ctx)
	if a.Request.Deadline.IsZero() {
		return waiting, func() { cancel(nil) }
	}
	began := time.Now()
	cloud := b.counts.runsOf(a.Request.Bytes())
	if cloud == 0 {
		cloud = b.counts.runs()
	}
	latest := overflow.LatestWait(began, a.Request.Deadline, cloud, b.fleet.Total(b.host).Service)
	var timer *time.Timer
	set := make(chan struct{})
	timer = time.AfterFunc(time.Until(latest), func() {
		<-set
		if !b.workersAreFree() {
			timer.Reset(askAgain)
			return
		}
		cancel(fault.New(CodeOverdue, "no outcome %v after the invocation, and the deadline is %s", time.Since(began).Round(time.Millisecond),
			a.Request.Deadline.Format(time.RFC3339)).Advise("nothing: a worker executes it, or answers from the outcome if it comes first"))
	})
	close(set)
	return waiting, func() {
		timer.Stop()
		cancel(nil)
	}
}

// workersAreFree reports whether a worker has room for what no bridge may take.
func (b *Bridge) workersAreFree() bool { return b.fleet.Total(b.host).LocalFree > 0 }
