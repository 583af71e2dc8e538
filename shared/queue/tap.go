package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// Opening is how far an overflow consumer's tap is open.
type Opening struct {
	MinPending int // how many must wait for one to be taken; 0 shuts the tap
	Most       int // how many may be taken in all until the tap is set again; 0 is any number
}

// Tap opens or shuts an overflow consumer. A pull that waits with another minimum is
// withdrawn at once.
func (c *Consumer) Tap(o Opening) { c.tap.set(o) }

// tap is when an overflow consumer takes requests.
type tap struct {
	mu      sync.Mutex
	opening Opening
	spent   int           // taken since it was set
	changed chan struct{} // closed when it is set
}

func newTap() *tap { return &tap{changed: make(chan struct{})} }

// set opens or shuts the tap. One that limits how many are taken may be set again to
// the same.
func (t *tap) set(o Opening) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o == t.opening && o.Most == 0 {
		return
	}
	t.opening, t.spent = o, 0
	close(t.changed)
	t.changed = make(chan struct{})
}

// state returns the minimum, 0 when it is shut or spent, how many more may be taken
// of n, and what is closed when that changes.
func (t *tap) state(n int) (minPending, most int, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	most = n
	if t.opening.Most > 0 {
		most = min(n, t.opening.Most-t.spent)
	}
	if most <= 0 || t.opening.MinPending <= 0 {
		return 0, 0, t.changed
	}
	return t.opening.MinPending, most, t.changed
}

// open waits until something may be taken.
func (t *tap) open(ctx context.Context) error {
	for {
		n, _, changed := t.state(1)
		if n > 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *tap) took() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spent++
}

// roomAgain is how long a pull may last that was for as much as there was room.
const roomAgain = 250 * time.Millisecond

// pullOverflow takes at most n messages while the tap is as it is now, and returns
// how many of n it did not take.
//
// A pull can't be changed, only withdrawn, and what the server has sent by then must
// not get lost: the client's iterator can be drained, its fetch can only be left.
func (p pump) pullOverflow(ctx context.Context, consumer jetstream.Consumer, n int, start func(jetstream.Msg)) (left int, err error) {
	minPending, most, changed := p.tap.state(n)
	if minPending == 0 {
		return n, nil
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(most), jetstream.StopAfter(most),
		jetstream.PullPriorityGroup(bus.GroupFleet), jetstream.PullMinPending(int64(minPending)))
	if err != nil {
		return n, err
	}
	defer messages.Stop()
	watching, done := p.patience(ctx)
	defer done()
	go func() {
		select {
		case <-changed:
		case <-watching.Done():
		}
		messages.Drain()
	}()
	for taken := 0; ; taken++ {
		msg, err := messages.Next()
		switch {
		case errors.Is(err, jetstream.ErrMsgIteratorClosed):
			return n - taken, nil
		case err != nil:
			return n - taken, err
		case ctx.Err() != nil:
			_ = msg.Nak() // it came too late; another gets it at once
			taken--
			continue
		}
		p.tap.took()
		start(msg)
	}
}

// patience is how long a pull may wait, if nobody withdraws it before.
func (p pump) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if p.room == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, roomAgain) // there may be more room, or less, without anyone saying so
}
