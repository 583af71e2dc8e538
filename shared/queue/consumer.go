package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

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
	cfg     Config
	tap     *tap
	wheel   *wheel
}

// NewWorker returns a Consumer that takes whatever waits, as much as it has free
// slots, and moves due retries back to the queue.
func NewWorker(js jetstream.JetStream, ackWait time.Duration, cfg Config) *Consumer {
	if cfg.Slots <= 0 {
		cfg.Slots = runtime.NumCPU()
	}
	return &Consumer{js: js, ackWait: ackWait, cfg: cfg, wheel: newWheel()}
}

// NewOverflow returns a Consumer that takes requests only while at least as many
// wait as was last given to [Consumer.Tap]; until then, none.
func NewOverflow(js jetstream.JetStream, ackWait time.Duration, cfg Config) *Consumer {
	return &Consumer{js: js, ackWait: ackWait, cfg: cfg, wheel: newWheel(), tap: newTap()}
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
	fleet := pump{js: c.js, stream: bus.StreamExecutions, consumer: bus.ConsumerFleet, group: bus.GroupFleet, tap: c.tap}
	pumping.Go(func() { fleet.run(ctx, c.cfg.Slots, handle) })
	if c.tap == nil {
		local := pump{js: c.js, stream: bus.StreamExecutions, consumer: bus.ConsumerLocal}
		pumping.Go(func() { local.run(ctx, c.cfg.LocalSlots, handle) })
		due := pump{js: c.js, stream: bus.StreamLater, consumer: bus.ConsumerDue}
		pumping.Go(func() { due.run(ctx, moverSlots, func(msg jetstream.Msg) { c.move(work, msg) }) })
	}
	pumping.Wait()
	return nil
}

var errDrained = errors.New("drain time is over")

// Tap lets an overflow consumer take requests while at least n wait; 0 shuts it.
// A pull that waits with another n is withdrawn.
func (c *Consumer) Tap(n int) { c.tap.set(n) }

// pump pulls exactly one message for each free slot.
type pump struct {
	js                      jetstream.JetStream
	stream, consumer, group string
	tap                     *tap // nil takes whatever waits
}

// run hands messages to handle, at most slots at once, until ctx ends and every
// handle has returned.
func (p pump) run(ctx context.Context, slots int, handle func(jetstream.Msg)) {
	free := make(chan struct{}, slots)
	for range slots {
		free <- struct{}{}
	}
	var working sync.WaitGroup
	defer working.Wait()
	start := func(msg jetstream.Msg) {
		working.Go(func() {
			defer func() { free <- struct{}{} }()
			handle(msg)
		})
	}
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		began := time.Now()
		err := p.pull(ctx, free, start)
		if err == nil || ctx.Err() != nil {
			wait = 100 * time.Millisecond
			continue
		}
		if time.Since(began) > time.Minute {
			wait = 100 * time.Millisecond
		}
		zerolog.Ctx(ctx).Warn().Err(err).Str("consumer", p.consumer).Dur("retry_in", wait).Msg("pull interrupted")
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// pull takes messages with one iterator until the tap changes (nil), something
// breaks, or ctx ends.
func (p pump) pull(ctx context.Context, free chan struct{}, start func(jetstream.Msg)) error {
	opts := []jetstream.PullMessagesOpt{jetstream.PullMaxMessages(1)}
	if p.group != "" {
		opts = append(opts, jetstream.PullPriorityGroup(p.group))
	}
	if p.tap != nil {
		n, changed := p.tap.get()
		if n == 0 {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			return nil
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-changed:
				cancel()
			case <-ctx.Done():
			}
		}()
		opts = append(opts, jetstream.PullMinPending(n))
	}
	consumer, err := p.js.Consumer(ctx, p.stream, p.consumer)
	if err != nil {
		return fmt.Errorf("consumer %s/%s: %w", p.stream, p.consumer, err)
	}
	messages, err := consumer.Messages(opts...)
	if err != nil {
		return fmt.Errorf("pull from %s/%s: %w", p.stream, p.consumer, err)
	}
	defer p.giveBack(messages)
	for {
		select {
		case <-free:
		case <-ctx.Done():
			return nil
		}
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			free <- struct{}{}
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("next from %s/%s: %w", p.stream, p.consumer, err)
		}
		start(msg)
	}
}

// giveBack withdraws the waiting pull. What was delivered meanwhile goes back to
// the queue at once instead of waiting for AckWait.
func (p pump) giveBack(messages jetstream.MessagesContext) {
	messages.Drain()
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(2 * time.Second))
		if err != nil {
			return
		}
		_ = msg.Nak()
	}
}

// tap is how many messages must wait before an overflow consumer takes any.
type tap struct {
	mu      sync.Mutex
	n       int
	changed chan struct{}
}

func newTap() *tap { return &tap{changed: make(chan struct{})} }

func (t *tap) get() (int, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n, t.changed
}

func (t *tap) set(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n == t.n {
		return
	}
	t.n = n
	close(t.changed)
	t.changed = make(chan struct{})
}
