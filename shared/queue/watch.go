package queue

import (
	"context"
	"errors"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Handled is what became of a message.
type Handled struct {
	Mailbox string
	End     End
	Err     error // the executor's, or why the message could not be settled
}

// End is what becomes of a message.
type End string

// The ends of messages.
const (
	EndDone        End = "ended"       // an outcome stands
	EndRetried     End = "retried"     // another attempt is due
	EndRefused     End = "refused"     // it is no execution's; it left a dead letter
	EndBusy        End = "busy"        // it went back: somebody else is at it, or something isn't there
	EndInterrupted End = "interrupted" // it went back: the work was cut off
	EndUnsettled   End = "unsettled"   // the server was not told; it will be delivered again
)

// Watcher is told what becomes of messages.
type Watcher interface {
	MessageHandled(Handled)
}

// Watch has w told. It is called before Run.
func (c *Consumer) Watch(w Watcher) { c.watcher = w }

// handled tells what became of m, whose execution came to err. unsettled is why the
// server could not be told.
func (c *Consumer) handled(m message, err, unsettled error) {
	if c.watcher == nil {
		return
	}
	end := endOf(err)
	if unsettled != nil {
		end, err = EndUnsettled, unsettled
	}
	c.watcher.MessageHandled(Handled{Mailbox: m.mailbox, End: end, Err: err})
}

// endOf is what settle does with a message whose execution came to err.
func endOf(err error) End {
	_, isRetry := errors.AsType[*execution.RetryError](err)
	_, isBusy := errors.AsType[*execution.BusyError](err)
	switch {
	case err == nil:
		return EndDone
	case isBusy, errors.Is(err, execution.ErrNewer):
		return EndBusy
	case isRetry:
		return EndRetried
	case fault.IsPermanent(err):
		return EndRefused
	}
	return EndInterrupted
}

// errUnbound is what Bound says before the first pull.
var errUnbound = errors.New("the queue has not been asked for work yet")

// Bound reports whether messages can be taken: the server's consumer was there when it
// was last asked. While Run waits to ask again, it says what was wrong.
func (c *Consumer) Bound(context.Context) error {
	if err := c.unbound.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *Consumer) bind(err error) {
	if err == nil {
		c.unbound.Store(nil)
		return
	}
	c.unbound.Store(&err)
}
