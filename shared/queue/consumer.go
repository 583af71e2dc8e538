package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// Consumer takes requests off the queue, has an executor carry them out, and
// settles them.
type Consumer struct {
	js      jetstream.JetStream
	ackWait time.Duration
	slots   Slots
	cfg     Config
	tap     *tap
	room    room
	fair    *fair
	wheel   *wheel

	used, usedLocal *usage
	changed         chan struct{} // when slots became free or none is any more

	watcher Watcher // may be nil
	unbound atomic.Pointer[error]
}

// NewWorker returns a Consumer that takes whatever waits, as much as it has free
// slots, and moves due retries back to the queue.
func NewWorker(js jetstream.JetStream, ackWait time.Duration, slots Slots, cfg Config) *Consumer {
	if slots.Fleet <= 0 {
		slots.Fleet = runtime.NumCPU()
	}
	c := newConsumer(js, ackWait, slots, cfg)
	c.fair = newFair(js, slots)
	return c
}

// NewOverflow returns a Consumer that takes requests, at most slots at once, only
// while at least as many wait as was last given to [Consumer.Tap]; until then, none.
func NewOverflow(js jetstream.JetStream, ackWait time.Duration, slots int, cfg Config) *Consumer {
	c := newConsumer(js, ackWait, Slots{Fleet: slots}, cfg)
	c.tap = newTap()
	return c
}

func newConsumer(js jetstream.JetStream, ackWait time.Duration, slots Slots, cfg Config) *Consumer {
	c := &Consumer{js: js, ackWait: ackWait, slots: slots, cfg: cfg, wheel: newWheel(), changed: make(chan struct{}, 1)}
	c.bind(errUnbound)
	c.used, c.usedLocal = &usage{changed: c.change}, &usage{changed: c.change}
	return c
}

func (c *Consumer) change() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Run consumes until ctx ends; then it stops taking at once, gives work in flight
// the drain time, hands back what is left and returns nil.
func (c *Consumer) Run(ctx context.Context, next execution.Executor) error {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(c.cfg.Drain, func() { cancel(errDrained) })
	})
	defer stop()
	heartbeats, stopHeartbeats := context.WithCancel(context.WithoutCancel(ctx))
	var beating, pumping sync.WaitGroup
	beating.Go(func() { c.wheel.turn(heartbeats, c.ackWait/3) })
	defer beating.Wait()
	defer stopHeartbeats()

	handle := func(msg jetstream.Msg) { c.handle(work, msg, next) }
	fleet := pump{js: c.js, stream: bus.StreamExecutions, consumer: bus.ConsumerFleet, group: bus.GroupFleet, tap: c.tap, used: c.used, bind: c.bind,
		room: c.room, fair: c.fair, ahead: func(e early) { c.handleEarly(work, e, next) }}
	pumping.Go(func() { fleet.run(ctx, c.slots.Fleet, handle) })
	if c.tap == nil {
		pumping.Go(func() { c.fair.run(ctx) })
		local := pump{js: c.js, stream: bus.StreamExecutions, consumer: bus.ConsumerLocal, used: c.usedLocal}
		pumping.Go(func() { local.run(ctx, c.slots.Local, handle) })
		due := pump{js: c.js, stream: bus.StreamLater, consumer: bus.ConsumerDue, used: &usage{changed: func() {}}}
		pumping.Go(func() { due.run(ctx, moverSlots, func(msg jetstream.Msg) { c.move(work, msg) }) })
	}
	pumping.Wait()
	return nil
}

var errDrained = errors.New("drain time is over")

// pump pulls exactly as many messages as it has free slots.
//
// It asks with one bounded fetch after the other. The client's continuous
// iterator can't do that: with a window of one message it may return the message
// before it has noted that its request is done, and then asks for no more until a
// heartbeat is missed half a minute later.
type pump struct {
	js                      jetstream.JetStream
	stream, consumer, group string
	used                    *usage      // of its slots
	tap                     *tap        // nil takes whatever waits
	room                    room        // nil takes as much as there are slots
	fair                    *fair       // nil takes it in the order it came
	ahead                   func(early) // handles what fair takes before its turn
	bind                    func(error) // is told whether the consumer is there; may be nil
}

// A fetch waits this long for messages. It is also how late the end of the work may
// be noticed.
const fetchWait = time.Second

// run hands messages to handle, at most slots at once, until ctx ends and every
// handle has returned.
func (p pump) run(ctx context.Context, slots int, handle func(jetstream.Msg)) {
	free := make(chan struct{}, slots)
	for range slots {
		free <- struct{}{}
	}
	var working sync.WaitGroup
	defer working.Wait()
	start := func(work func()) {
		working.Go(func() {
			defer func() { free <- struct{}{} }()
			defer p.used.end()
			work()
		})
	}
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		began := time.Now()
		err := p.pull(ctx, free, handle, start)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			wait = 100 * time.Millisecond
		}
		p.isBound(err)
		zerolog.Ctx(ctx).Warn().Err(err).Str("consumer", p.consumer).Dur("retry_in", wait).Msg("pull interrupted")
		pause(ctx, wait)
	}
}

// pull fetches until ctx ends or something breaks.
func (p pump) pull(ctx context.Context, free chan struct{}, handle func(jetstream.Msg), start func(func())) error {
	consumer, err := p.js.Consumer(ctx, p.stream, p.consumer)
	if err != nil {
		return fmt.Errorf("consumer %s/%s: %w", p.stream, p.consumer, err)
	}
	p.isBound(nil)
	for {
		if p.tap != nil {
			if err := p.tap.open(ctx); err != nil {
				return err
			}
		}
		n := takeAll(ctx, free)
		if n == 0 {
			return ctx.Err()
		}
		if n = p.room.limit(ctx, n, free); n == 0 {
			continue
		}
		if n = p.divide(ctx, n, free, start); n == 0 {
			continue
		}
		p.used.ask(n)
		fetch := p.fetch
		if p.tap != nil {
			fetch = p.pullOverflow
		}
		n, err := fetch(ctx, consumer, n, func(msg jetstream.Msg) {
			p.used.begin(true)
			start(p.counted(msg, handle))
		})
		if n > 0 && p.fair != nil {
			p.fair.drained()
		}
		for range n {
			free <- struct{}{}
		}
		if err != nil && !errors.Is(err, nats.ErrTimeout) {
			return fmt.Errorf("fetch from %s/%s: %w", p.stream, p.consumer, err)
		}
	}
}

func (p pump) isBound(err error) {
	if p.bind != nil {
		p.bind(err)
	}
}

// fetch takes at most n messages and returns how many of n there were not.
func (p pump) fetch(ctx context.Context, consumer jetstream.Consumer, n int, start func(jetstream.Msg)) (left int, err error) {
	opts := []jetstream.FetchOpt{jetstream.FetchMaxWait(fetchWait)}
	if p.group != "" {
		opts = append(opts, jetstream.FetchPriorityGroup(p.group))
	}
	batch, err := consumer.Fetch(n, opts...)
	if err != nil {
		return n, err
	}
	for msg := range batch.Messages() {
		if ctx.Err() != nil {
			_ = msg.Nak() // it came too late; another gets it at once
			continue
		}
		n--
		start(msg)
	}
	return n, batch.Error()
}

// divide starts what is to be executed before its turn in some of n slots, and
// returns how many are for the queue. It gives back those that nobody may have,
// and when that is all of them, waits for a change.
func (p pump) divide(ctx context.Context, n int, free chan struct{}, start func(func())) int {
	if p.fair == nil {
		return n
	}
	ahead, ordinary, changed := p.fair.allot(n)
	for _, e := range ahead {
		p.used.begin(false)
		began := time.Now()
		start(func() {
			defer p.fair.ended(e.mailbox, began, false)
			p.ahead(e)
		})
	}
	for range n - len(ahead) - ordinary {
		free <- struct{}{}
	}
	if ordinary == 0 {
		p.used.ask(0)
	}
	if len(ahead)+ordinary == 0 {
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return ordinary
}

// counted is the handling of msg, counted for its mailbox.
func (p pump) counted(msg jetstream.Msg, handle func(jetstream.Msg)) func() {
	if p.fair == nil {
		return func() { handle(msg) }
	}
	mailbox, _, _ := bus.ParseWork(msg.Subject()) // what has none is refused, and counts together
	var pending uint64
	if meta, err := msg.Metadata(); err == nil {
		pending = meta.NumPending
	}
	ended := p.fair.began(mailbox, pending, msg)
	return func() {
		defer ended()
		handle(msg)
	}
}

// takeAll waits for a free slot and takes all that are free. It returns 0 when ctx
// ends first.
func takeAll(ctx context.Context, free chan struct{}) (n int) {
	select {
	case <-free:
		n++
	case <-ctx.Done():
	}
	if ctx.Err() != nil { // select chooses by chance when both are ready
		return 0 // what was taken is nobody's any more: the pump ends
	}
	for {
		select {
		case <-free:
			n++
		default:
			return n
		}
	}
}
