package sim

import (
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// consumer is the server's side of a durable pull consumer.
type consumer struct {
	stream  *stream
	cfg     jetstream.ConsumerConfig
	next    uint64         // the sequence to look at first for something new
	tried   map[uint64]int // how often each was delivered
	pending map[uint64]*pending
	again   []uint64 // to be delivered again, in this order
	waiting []*pull
	serving bool

	delivery uint64 // number of the next
	// Up to where all was settled, by the number of the delivery and by sequence.
	floor, floorSeq uint64
}

// pending is a delivery that nobody has settled.
type pending struct {
	delivery uint64 // the first, of this message
	deadline time.Time
	timer    *time.Timer
}

// pull is a request for messages.
type pull struct {
	p          *process
	left       int
	minPending int64
	expires    time.Time
	deliver    func(m *stored, try int)
}

// unseen is how many messages nobody was given yet.
func (c *consumer) unseen() (n int64) {
	for _, m := range c.stream.msgs {
		if m.seq >= c.next && matches(c.cfg.FilterSubject, m.subject) {
			n++
		}
	}
	return n
}

// serve gives out what can be given.
func (c *consumer) serve() {
	if c.serving { // what a delivery sets off is served by the loop that runs
		return
	}
	c.serving = true
	defer func() { c.serving = false }()
	for {
		m, isNew := c.candidate()
		if m == nil {
			return
		}
		to := c.waiter(isNew)
		if to == nil {
			return
		}
		if isNew {
			c.next = m.seq + 1
		} else {
			c.again = c.again[1:]
		}
		c.tried[m.seq]++
		c.hold(m.seq, c.cfg.AckWait)
		c.delivery++
		to.deliver(m, c.tried[m.seq])
	}
}

// candidate is the next message to deliver: what was delivered before comes first.
func (c *consumer) candidate() (m *stored, isNew bool) {
	for len(c.again) > 0 {
		if m := c.message(c.again[0]); m != nil {
			return m, false
		}
		c.forget(c.again[0])
	}
	if c.cfg.MaxAckPending > 0 && len(c.pending) >= c.cfg.MaxAckPending {
		return nil, false
	}
	for _, m := range c.stream.msgs {
		if m.seq >= c.next && matches(c.cfg.FilterSubject, m.subject) {
			return m, true
		}
	}
	return nil, false
}

// waiter is the pull that is served next; pulls take turns. One that asks for a
// backlog waits for it, and a redelivery counts as if it were new.
func (c *consumer) waiter(isNew bool) *pull {
	c.waiting = slices.DeleteFunc(c.waiting, func(p *pull) bool { return p.left == 0 || !time.Now().Before(p.expires) })
	backlog := c.unseen()
	if !isNew {
		backlog++
	}
	for i, p := range c.waiting {
		if p.minPending > 0 && backlog < p.minPending {
			continue
		}
		p.left--
		c.waiting = append(slices.Delete(c.waiting, i, i+1), p)
		return p
	}
	return nil
}

func (c *consumer) message(seq uint64) *stored {
	for _, m := range c.stream.msgs {
		if m.seq == seq {
			return m
		}
	}
	return nil
}

// hold lets the delivery of seq be nobody else's for d, and a little longer that is
// its own, so that no two end at once.
func (c *consumer) hold(seq uint64, d time.Duration) {
	d += between(c.stream.w.plan.number("hold", c.cfg.Name, strconv.FormatUint(seq, 10)), 0, time.Millisecond)
	p := c.pending[seq]
	if p == nil {
		p = &pending{delivery: c.delivery}
		c.pending[seq] = p
		p.timer = time.AfterFunc(d, func() { c.late(seq, p) })
	} else {
		p.timer.Reset(d)
	}
	p.deadline = time.Now().Add(d)
}

// late is called when the holder of seq has said nothing for too long.
func (c *consumer) late(seq uint64, p *pending) {
	w := c.stream.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.pending[seq] != p || time.Now().Before(p.deadline) {
		return
	}
	w.seen["delivery late"]++
	w.note("nats", "late", c.cfg.Name+" "+strconv.FormatUint(seq, 10), "")
	c.hold(seq, c.cfg.AckWait)
	c.repeat(seq)
}

// repeat delivers seq again as soon as somebody asks.
func (c *consumer) repeat(seq uint64) {
	if !slices.Contains(c.again, seq) {
		c.again = append(c.again, seq)
	}
	c.serve()
}

// ack settles seq for good. It is not asked which delivery says so: an ack from a
// holder that was given up long ago removes the message under the present one.
func (c *consumer) ack(seq uint64) {
	c.forget(seq)
	if m := c.message(seq); m != nil && c.stream.cfg.Retention == jetstream.WorkQueuePolicy {
		c.stream.remove(m, "acked")
	}
	c.serve()
}

func (c *consumer) forget(seq uint64) {
	if p := c.pending[seq]; p != nil {
		p.timer.Stop()
		delete(c.pending, seq)
		c.raise(seq, p.delivery)
	}
	delete(c.tried, seq)
	c.again = slices.DeleteFunc(c.again, func(other uint64) bool { return other == seq })
}

// raise notes that seq is settled: up to where all is can have moved.
func (c *consumer) raise(seq, delivery uint64) {
	switch {
	case len(c.pending) == 0:
		c.floor, c.floorSeq = c.delivery-1, c.next-1
	case delivery == c.floor+1:
		c.floor, c.floorSeq = delivery, seq
		for above := seq; above < c.next; above++ {
			if p := c.pending[above]; p != nil {
				c.floor, c.floorSeq = p.delivery-1, above-1
				break
			}
		}
	}
}

// nak gives seq back, at once or after a while. It too may come from any holder.
func (c *consumer) nak(seq uint64, delay time.Duration) {
	if c.pending[seq] == nil {
		return
	}
	if delay <= 0 {
		c.repeat(seq)
		return
	}
	c.again = slices.DeleteFunc(c.again, func(other uint64) bool { return other == seq })
	c.hold(seq, delay)
}

// progress starts the holder's time anew.
func (c *consumer) progress(seq uint64) {
	if c.pending[seq] != nil {
		c.hold(seq, c.cfg.AckWait)
	}
}
