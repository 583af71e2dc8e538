package sim

import (
	"context"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ordered reads a stream from a sequence on. Nothing is settled.
type ordered struct {
	jetstream.Consumer
	client *client
	server *consumer // that it stands for, to whoever asks where a message is from
	cfg    jetstream.OrderedConsumerConfig
}

func (c *client) OrderedConsumer(ctx context.Context, streamName string, cfg jetstream.OrderedConsumerConfig) (jetstream.Consumer, error) {
	return call(ctx, c.p, "nats", "ordered", streamName, jetstream.ErrNoStreamResponse, func() (jetstream.Consumer, error) {
		s := c.p.w.streams[streamName]
		if s == nil {
			return nil, jetstream.ErrStreamNotFound
		}
		return &ordered{client: c, server: &consumer{stream: s}, cfg: cfg}, nil
	})
}

// reading is what an ordered consumer was sent: all there was when the server heard of
// it. What is stored later is left to the next: nobody here reads on.
type reading struct {
	jetstream.MessagesContext
	o     *ordered
	msgs  []*message
	asked bool
}

func (o *ordered) Messages(...jetstream.PullMessagesOpt) (jetstream.MessagesContext, error) {
	return &reading{o: o}, nil
}

func (r *reading) Next(opts ...jetstream.NextOpt) (jetstream.Msg, error) {
	o, err := applied(opts)
	if err != nil {
		return nil, err
	}
	p := r.o.client.p
	wait := time.Duration(field(o, "timeout"))
	began := time.Now()
	if !r.asked {
		r.asked = true
		ctx, cancel := context.WithTimeout(p.ctx, wait)
		defer cancel()
		if r.msgs, _ = r.ask(ctx); p.isDead() { // an answer that got lost is none
			return nil, errCrashed
		}
	}
	if len(r.msgs) == 0 { // there is nothing, or it got lost
		if err := p.sleep(p.ctx, max(wait-time.Since(began), 0)); err != nil {
			return nil, err
		}
		return nil, nats.ErrTimeout
	}
	next := r.msgs[0]
	r.msgs = r.msgs[1:]
	return next, nil
}

func (r *reading) Stop() {}

// ask returns what there is. Some of it may never arrive.
func (r *reading) ask(ctx context.Context) ([]*message, error) {
	c, s := r.o.client, r.o.server.stream
	key := s.cfg.Name + "#" + strconv.FormatUint(r.o.cfg.OptStartSeq, 10)
	msgs, err := call(ctx, c.p, "nats", "read", key, jetstream.ErrNoStreamResponse, func() (msgs []*message, err error) {
		for _, m := range s.msgs {
			if m.seq >= r.o.cfg.OptStartSeq && r.wants(m.subject) {
				msgs = append(msgs, &message{client: c, server: r.o.server, m: m, try: 1})
			}
		}
		for i, m := range msgs {
			m.pending = uint64(len(msgs) - 1 - i)
		}
		return msgs, nil
	})
	n := c.p.w.count("cut", c.p.name, key)
	if cut := c.p.w.plan.number("cut", c.p.name, key, strconv.Itoa(n)); len(msgs) > 0 && !c.p.w.quiet() && cut%1_000_000 < c.p.w.plan.rates.lose {
		msgs = msgs[:cut/1_000_000%uint64(len(msgs))]
	}
	return msgs, err
}

func (r *reading) wants(subject string) bool {
	for _, filter := range r.o.cfg.FilterSubjects {
		if matches(filter, subject) {
			return true
		}
	}
	return len(r.o.cfg.FilterSubjects) == 0
}
