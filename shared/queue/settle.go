package queue

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/trace"
)

// handle carries out one delivered message and settles it.
func (c *Consumer) handle(ctx context.Context, msg jetstream.Msg, next execution.Executor) {
	c.wheel.add(msg)
	defer c.wheel.remove(msg)
	m, err := read(msg)
	ctx, log, span := follow(ctx, m, "process")
	var o execution.Outcome
	if err == nil {
		failpoint.Hit(failpoint.Received)
		m.attempt.Why = c.why(int(m.meta.NumPending)) //nolint:gosec // far below 2^63
		o, err = next.Execute(ctx, m.attempt)
	}
	unsettled := c.settle(ctx, m, o, err)
	if unsettled != nil {
		// Not settled means delivered again after AckWait: nothing is lost.
		log.Warn().Err(unsettled).Msg("message not settled")
	}
	c.handled(m, err, unsettled)
	span.End(cmp.Or(err, unsettled))
}

// follow returns ctx for the work on m, with a span of its trace and a logger that names
// the execution.
func follow(ctx context.Context, m message, name string) (context.Context, *zerolog.Logger, trace.Span) {
	ctx, span := trace.Start(trace.Continue(ctx, m.request.Trace), name+" "+m.mailbox, trace.Consumer, m.request.Key(),
		attribute.Int("sagefleet.deliveries", m.attempt.Deliveries))
	log := trace.Named(ctx, zerolog.Ctx(ctx).With().Str("mailbox", m.mailbox).Str("execution", m.request.ID)).Logger()
	return log.WithContext(ctx), &log, span
}

// handleEarly carries out a message that is still on the queue. Whatever comes of
// it, the message stays and is settled when its turn comes.
func (c *Consumer) handleEarly(ctx context.Context, e early, next execution.Executor) {
	m, err := readStored(e.RawStreamMsg)
	if err != nil {
		return // refused when its turn comes
	}
	ctx, log, span := follow(ctx, m, "process early")
	m.attempt.Why = c.why(0)
	o, err := next.Execute(ctx, m.attempt)
	span.End(err)
	switch {
	case err != nil:
		log.Debug().Err(err).Msg("not executed before its turn")
	case o.Kind == execution.Dead && o.Erased == nil:
		if err := m.letter(letterOf(o)).store(ctx, c.js); err != nil {
			log.Warn().Err(err).Msg("dead letter left for its turn")
		}
	}
}

// settle does with m what its end asks for. It acknowledges only after what takes
// the message's place is stored.
func (c *Consumer) settle(ctx context.Context, m message, o execution.Outcome, err error) error {
	drained := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	log := zerolog.Ctx(ctx)
	retry, isRetry := errors.AsType[*execution.RetryError](err)
	busy, isBusy := errors.AsType[*execution.BusyError](err)
	switch {
	case errors.Is(err, execution.ErrNewer) && time.Since(m.enqueued()) < newerPatience:
		log.Warn().Err(err).Msg("execution left to a newer version")
		if err := c.leave(ctx, m); err != nil {
			return err
		}
		return m.ack(ctx)
	case err == nil && o.Kind == execution.Dead && o.Erased == nil:
		log.Error().Str("code", string(o.Fault.Code)).Str("reason", o.Fault.Error()).Msg("execution dead")
		if err := m.letter(letterOf(o)).store(ctx, c.js); err != nil {
			return err
		}
		return m.ack(ctx)
	case err == nil:
		log.Info().Str("executor", o.Executor).Str("attempt", o.Attempt).Msg("execution " + strings.ToLower(string(o.Kind)))
		return m.ack(ctx)
	case isBusy && busy.Local && !m.local():
		log.Info().Err(err).Msg("execution left to workers")
		if err := c.keepLocal(ctx, m); err != nil {
			_ = m.NakWithDelay(max(busy.For, 10*time.Millisecond)) // the queue is full, or away
			return err
		}
		return m.ack(ctx)
	case isBusy:
		log.Debug().Err(err).Msg("execution busy")
		return m.NakWithDelay(max(busy.For, 10*time.Millisecond))
	case isRetry:
		log.Warn().Err(err).Msg("attempt failed")
		if err := c.retryLater(ctx, m, retry.Number); err != nil {
			return err
		}
		failpoint.Hit(failpoint.RetryScheduled)
		return m.ack(ctx)
	case fault.IsPermanent(err), errors.Is(err, execution.ErrNewer):
		what := fault.Describe(err)
		log.Error().Str("code", string(what.Code)).Str("reason", what.Error()).Msg("message refused")
		refused := letter{id: fmt.Sprintf("%s-%d", m.meta.Stream, m.meta.Sequence.Stream), cause: what,
			subject: bus.SubjectRefused(m.mailbox, m.meta.Stream, m.meta.Sequence.Stream)}
		if err := m.letter(refused).store(ctx, c.js); err != nil {
			return err
		}
		return m.ack(ctx)
	case drained:
		log.Info().Msg("execution handed back")
		return m.Nak()
	default:
		log.Warn().Err(err).Msg("execution interrupted")
		return m.NakWithDelay(c.backoff(m.request.Key(), m.attempt.Deliveries))
	}
}

// ack lets go of m, now that something durable has taken its place. Nobody waits for
// the server to have heard it: a message whose acknowledgement got lost is delivered
// again, and answered from what took its place.
func (m message) ack(ctx context.Context) error {
	failpoint.Hit(failpoint.Acking)
	var err error
	if found, ok := m.Msg.(stray); ok {
		err = found.remove(ctx)
	} else {
		err = m.Ack()
	}
	failpoint.Hit(failpoint.Acked)
	return err
}

// keepLocal puts a copy of m where no bridge takes it.
func (c *Consumer) keepLocal(ctx context.Context, m message) error {
	k := m.request.Key()
	if _, err := c.js.PublishMsg(ctx, m.copyOf(bus.SubjectLocal(k.Mailbox, k.ID))); err != nil {
		return fmt.Errorf("leave %s to workers: %w", k, err)
	}
	return nil
}

// retryLater schedules the next attempt after failures failed ones.
func (c *Consumer) retryLater(ctx context.Context, m message, failures int) error {
	k := m.request.Key()
	return c.schedule(ctx, m, bus.SubjectLater(k), c.backoff(k, failures))
}

// schedule stores a copy of m on subject that comes back to the queue after a while.
func (c *Consumer) schedule(ctx context.Context, m message, subject string, after time.Duration) error {
	k := m.request.Key()
	later := m.copyOf(subject)
	later.Header.Set(headerMove, rand.Text())
	if m.local() {
		later.Header.Set(headerLocal, "1")
	}
	// By hand, because the client's option rounds to whole seconds.
	at := time.Now().Add(after).UTC()
	later.Header.Set("Nats-Schedule", "@at "+at.Format(time.RFC3339Nano))
	later.Header.Set("Nats-Schedule-Target", bus.SubjectDue(k.Mailbox, k.ID))
	// Without a message id: a schedule replaces the one before on its subject, and
	// an id that was seen before would drop it silently.
	if _, err := c.js.PublishMsg(ctx, later); err != nil {
		return fmt.Errorf("have %s come again: %w", k, err)
	}
	return nil
}

// backoff is exponential with full jitter. The jitter is a hash: executions that
// failed together come back apart, and what happens can be repeated exactly.
func (c *Consumer) backoff(k execution.Key, failures int) time.Duration {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", k, failures)
	ceiling := c.cfg.BackoffCap
	for wait := c.cfg.BackoffBase; failures > 0 && wait < ceiling; failures-- {
		if failures == 1 {
			ceiling = wait
		}
		wait *= 2
	}
	jitter := time.Duration(h.Sum64() % uint64(max(ceiling, 1))) //nolint:gosec // below ceiling
	return max(jitter, 10*time.Millisecond)
}

// moverSlots is how many due retries are moved at once.
const moverSlots = 8

// move puts a retry whose time has come back on the queue.
func (c *Consumer) move(ctx context.Context, msg jetstream.Msg) {
	c.wheel.add(msg)
	defer c.wheel.remove(msg)
	if err := c.tryMove(ctx, msg); err != nil {
		// A full queue is back-pressure: the retry waits here as long as it must.
		zerolog.Ctx(ctx).Warn().Err(err).Str("subject", msg.Subject()).Msg("due retry not moved")
		_ = msg.NakWithDelay(time.Second)
	}
}

func (c *Consumer) tryMove(ctx context.Context, msg jetstream.Msg) error {
	m, err := read(msg)
	if err != nil && !errors.Is(err, execution.ErrNewer) { // that is for those who take it off the queue
		return c.settle(ctx, m, execution.Outcome{}, err)
	}
	failpoint.Hit(failpoint.Due)
	k := m.request.Key()
	subject := bus.SubjectExec(k.Mailbox, k.ID)
	if m.local() {
		subject = bus.SubjectLocal(k.Mailbox, k.ID)
	}
	// The id is this move's own, and nobody else can guess it: a duplicate can only
	// be this same move, delivered again.
	var opts []jetstream.PublishOpt
	if move := msg.Headers().Get(headerMove); move != "" {
		opts = append(opts, jetstream.WithMsgID(move))
	}
	if _, err := c.js.PublishMsg(ctx, m.copyOf(subject), opts...); err != nil {
		return fmt.Errorf("requeue %s: %w", k, err)
	}
	failpoint.Hit(failpoint.Moved)
	return m.ack(ctx)
}
