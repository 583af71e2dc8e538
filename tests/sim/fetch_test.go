package sim

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func (c *client) Consumer(ctx context.Context, streamName, name string) (jetstream.Consumer, error) {
	return call(ctx, c.p, "nats", "consumer", streamName+"/"+name, jetstream.ErrNoStreamResponse, func() (jetstream.Consumer, error) {
		s := c.p.w.streams[streamName]
		if s == nil {
			return nil, jetstream.ErrStreamNotFound
		}
		server := s.consumers[name]
		if server == nil {
			return nil, jetstream.ErrConsumerNotFound
		}
		return &consumerHandle{client: c, server: server, info: server.info()}, nil
	})
}

func (c *consumer) info() *jetstream.ConsumerInfo {
	return &jetstream.ConsumerInfo{Stream: c.stream.cfg.Name, Name: c.cfg.Name, Config: c.cfg,
		Delivered:  jetstream.SequenceInfo{Consumer: c.delivery - 1, Stream: c.next - 1},
		AckFloor:   jetstream.SequenceInfo{Consumer: c.floor, Stream: c.floorSeq},
		NumPending: uint64(c.unseen()), NumAckPending: len(c.pending), NumWaiting: len(c.waiting)}
}

// consumerHandle is a consumer as a client sees it.
type consumerHandle struct {
	jetstream.Consumer
	client *client
	server *consumer
	info   *jetstream.ConsumerInfo
}

func (h *consumerHandle) CachedInfo() *jetstream.ConsumerInfo { return h.info }

func (h *consumerHandle) Info(ctx context.Context) (*jetstream.ConsumerInfo, error) {
	return call(ctx, h.client.p, "nats", "info", h.server.cfg.Name, jetstream.ErrNoStreamResponse, func() (*jetstream.ConsumerInfo, error) {
		return h.server.info(), nil
	})
}

// batch is what one fetch gets.
type batch struct {
	msgs   chan jetstream.Msg
	left   int
	closed bool
}

func (b *batch) Messages() <-chan jetstream.Msg { return b.msgs }
func (b *batch) Error() error                   { return nil }

// end closes the batch; what comes later is nobody's. The caller holds the world's mu.
func (b *batch) end() {
	if !b.closed {
		b.closed = true
		close(b.msgs)
	}
}

func (h *consumerHandle) Fetch(n int, opts ...jetstream.FetchOpt) (jetstream.MessageBatch, error) {
	o, err := applied(opts)
	if err != nil {
		return nil, err
	}
	wait := pullWait
	if d := field(o, "Expires"); d > 0 {
		wait = time.Duration(d)
	}
	b, _, err := h.pull(n, field(o, "MinPending"), wait)
	return b, err
}

// pullWait is how long a pull lasts that says nothing else.
const pullWait = 30 * time.Second

// pull asks the server for n messages. The request is the server's.
func (h *consumerHandle) pull(n int, minPending int64, wait time.Duration) (*batch, *pull, error) {
	p, w := h.client.p, h.client.p.w
	b := &batch{msgs: make(chan jetstream.Msg, n), left: n}
	request := &pull{p: p, left: n, minPending: minPending}
	err := p.send("nats", "fetch", h.server.cfg.Name, func() {
		request.expires = time.Now().Add(wait)
		request.deliver = func(m *stored, try int) { h.deliver(b, m, try) }
		h.server.waiting = append(h.server.waiting, request)
		h.server.serve()
	})
	// The server says when the request's time is over; this is about when.
	over := wait + between(w.plan.number("over", p.name, h.server.cfg.Name, fmt.Sprint(w.now())), time.Millisecond, 3*time.Millisecond)
	w.running.Go(func() {
		_ = p.sleep(context.Background(), over)
		w.mu.Lock()
		defer w.mu.Unlock()
		b.end()
	})
	return b, request, err
}

// iterator is one pull that can be withdrawn. The client's own asks again when its
// time is over; here it ends, and the fleet asks again.
type iterator struct {
	h       *consumerHandle
	b       *batch
	request *pull
	once    sync.Once
}

func (h *consumerHandle) Messages(opts ...jetstream.PullMessagesOpt) (jetstream.MessagesContext, error) {
	var n int
	var minPending int64
	for _, opt := range opts {
		switch opt := opt.(type) {
		case jetstream.PullMaxMessages:
			n = int(opt)
		case jetstream.PullMinPending:
			minPending = int64(opt)
		}
	}
	b, request, err := h.pull(n, minPending, pullWait)
	return &iterator{h: h, b: b, request: request}, err
}

func (i *iterator) Next(...jetstream.NextOpt) (jetstream.Msg, error) {
	m, ok := <-i.b.msgs
	if !ok {
		return nil, jetstream.ErrMsgIteratorClosed
	}
	return m, nil
}

// Drain withdraws the request. What is on its way arrives if it is quick; what is
// not was delivered to nobody.
func (i *iterator) Drain() {
	i.once.Do(func() {
		p, w, name := i.h.client.p, i.h.client.p.w, i.h.server.cfg.Name
		_ = p.send("nats", "withdraw", name, func() { i.request.left = 0 })
		after := between(w.plan.number("withdrawn", p.name, name, fmt.Sprint(w.now())), time.Millisecond, 3*time.Millisecond)
		w.running.Go(func() {
			_ = p.sleep(context.Background(), after)
			w.mu.Lock()
			defer w.mu.Unlock()
			i.b.end()
		})
	})
}

// Stop is called after the end, or when nothing is wanted any more.
func (i *iterator) Stop() { i.Drain() }

// deliver sends a message on its way to the client. It may be lost, late, or come
// twice. The world's mu is held.
func (h *consumerHandle) deliver(b *batch, m *stored, try int) {
	p, w := h.client.p, h.client.p.w
	name := fmt.Sprintf("%s %s#%d", h.server.cfg.Name, m.subject, m.seq)
	f := w.plan.fate(w.quiet(), p.name, "deliver", name, try)
	w.note(p.name, "deliver", name, strconv.Itoa(try))
	if !w.quiet() && w.plan.number("redeliver", name, strconv.Itoa(try))%1_000_000 < w.plan.rates.redeliver {
		time.AfterFunc(between(w.plan.number("soon", name, strconv.Itoa(try)), time.Millisecond, 3*time.Second), func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if h.server.pending[m.seq] != nil && !w.quiet() {
				w.seen["delivered twice"]++
				w.note("nats", "redeliver", name, "")
				h.server.repeat(m.seq)
			}
		})
	}
	if f.lost || w.down("nats") {
		return
	}
	msg := &message{client: h.client, server: h.server, m: m, try: try, pending: uint64(h.server.unseen())}
	w.running.Go(func() {
		if p.sleep(context.Background(), f.request) != nil {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if b.closed {
			return
		}
		b.msgs <- msg
		if b.left--; b.left == 0 {
			b.end()
		}
	})
}
