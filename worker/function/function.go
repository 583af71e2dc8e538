// Package function is the executor as a Lambda handler.
//
// It answers two callers. A bridge delegates an attempt under the token of the
// lock that it holds, so the work runs at once. Anyone else invokes it directly,
// with the founding document's three names; such work goes through the guard, if
// there is one. A failed attempt is a Reply, not an error: an error would make
// Lambda retry an event, beside the queue's own retries.
package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/trace"
)

// CodeOutOfTime says that the platform's deadline came before the work's end.
const CodeOutOfTime fault.Code = "LAMBDA_OUT_OF_TIME"

const (
	// DefaultMailbox takes the direct invocations that name none.
	DefaultMailbox = "lambda"

	minMargin     = time.Second
	marginPart    = 20 // of the time that remains: 5 %
	thawThreshold = time.Second

	bodySucceeded  = "Processing completed successfully"
	bodyInProgress = "Execution already in progress"
)

// Handler executes what a Lambda is invoked with. Its Handle method is what
// lambda.Start takes.
type Handler struct {
	work    execution.Executor
	guarded execution.Executor
	mailbox string
	margin  time.Duration
	onThaw  func(idle time.Duration)

	outcomes Outcomes
	scratch  string
	lines    *lines // nil writes none

	mu     sync.Mutex
	last   time.Time // when the environment was last known to run
	active int       // invocations
}

// Option changes a Handler.
type Option func(*Handler)

// WithGuard has direct invocations executed by guarded, which locks and records.
// Without it they run unguarded under token 0, which is safe, because an OUTCOME
// is written once, but may do the same work twice.
func WithGuard(guarded execution.Executor) Option {
	return func(h *Handler) { h.guarded = guarded }
}

// WithMailbox names the mailbox of direct invocations that name none.
func WithMailbox(name string) Option { return func(h *Handler) { h.mailbox = name } }

// WithMargin sets how long before the platform's deadline the work is cancelled,
// so that there is time to answer. The default is 5 % of the time that remains,
// and at least a second.
func WithMargin(margin time.Duration) Option { return func(h *Handler) { h.margin = margin } }

// WithThaw calls onThaw before an invocation that follows more than a second
// without any. The platform may have frozen the environment meanwhile, and
// connections that look alive may be dead.
func WithThaw(onThaw func(idle time.Duration)) Option { return func(h *Handler) { h.onThaw = onThaw } }

// New returns a Handler that has work carry out delegated attempts.
func New(work execution.Executor, opts ...Option) *Handler {
	h := &Handler{work: work, guarded: work, mailbox: DefaultMailbox, onThaw: func(time.Duration) {}, last: wallClock()}
	for _, opt := range opts {
		opt(h)
	}
	return h
}

// Handle executes one invocation. Its error is always nil: every end that it
// lives to tell is a Reply.
func (h *Handler) Handle(ctx context.Context, payload json.RawMessage) (execution.Reply, error) {
	h.enter(ctx)
	defer h.leave()

	inv, err := execution.DecodeInvocation(payload, h.mailbox)
	if err != nil {
		return failed(err), nil
	}
	ctx = trace.Continue(ctx, inv.Trace)
	log := trace.Named(ctx, zerolog.Ctx(ctx).With().Str("mailbox", inv.Mailbox).Str("execution", inv.ID)).Logger()
	ctx, cancel := h.limit(log.WithContext(ctx))
	defer cancel()
	if ctx.Err() != nil {
		return failed(context.Cause(ctx)), nil
	}
	if reply, ended := h.answered(ctx, inv); ended {
		return reply, nil
	}
	return h.execute(ctx, inv), nil
}

// execute has inv executed, and notes the steps if somebody follows them.
func (h *Handler) execute(ctx context.Context, inv execution.Invocation) (reply execution.Reply) {
	if trace.Sampled(ctx) {
		began := time.Now()
		noting, steps := execution.WithSteps(ctx)
		defer func() { reply.Steps = steps.Under("execute", began) }()
		ctx = noting
	}
	next, attempt := h.route(inv)
	began := time.Now()
	outcome, err := next.Execute(ctx, attempt)
	if err != nil {
		err = blame(ctx, err)
	}
	h.lines.write(inv, trace.ID(ctx), attempt.Enqueued, began, outcome, err)
	if err != nil {
		return failed(err)
	}
	return stands(outcome)
}

// route chooses the executor and the attempt it gets.
func (h *Handler) route(inv execution.Invocation) (execution.Executor, execution.Attempt) {
	attempt := execution.Attempt{Request: inv.Request, Number: 1, Deliveries: 1, Enqueued: time.Now()}
	d := inv.Delegation
	if d == nil {
		return h.guarded, attempt
	}
	attempt.Token, attempt.Deliveries, attempt.Enqueued = d.Token, max(d.Deliveries, 1), d.Enqueued
	attempt.Number = max(d.Number, 1)
	return h.work, attempt
}

// limit ends ctx the margin before the platform's deadline.
func (h *Handler) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx) // not on Lambda
	}
	left := time.Until(deadline)
	margin := h.margin
	if margin <= 0 {
		margin = max(minMargin, left/marginPart)
	}
	return context.WithDeadlineCause(ctx, deadline.Add(-margin),
		fault.New(CodeOutOfTime, "out of time: %v before the deadline of %v", margin.Round(time.Millisecond), left.Round(time.Millisecond)).
			Expecting("work that ends within the function's timeout").
			Advise("raise the timeout or the memory of the function, or let a worker take it"))
}

// blame says that time ran out when that is why the work failed.
func blame(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); fault.CodeOf(cause) == CodeOutOfTime && !fault.IsPermanent(err) {
		return cause
	}
	return err
}

func (h *Handler) enter(ctx context.Context) {
	h.mu.Lock()
	idle := wallClock().Sub(h.last)
	h.active++
	alone := h.active == 1
	h.mu.Unlock()
	if idle > thawThreshold && alone {
		h.onThaw(idle)
	}
	if alone {
		h.sweep(ctx)
	}
}

func (h *Handler) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.active--
	h.last = wallClock()
}

// wallClock is the time without its monotonic part, which stands still while a
// virtual machine is paused.
func wallClock() time.Time { return time.Now().Round(0) }

func stands(outcome execution.Outcome) execution.Reply {
	reply := execution.Reply{StatusCode: http.StatusOK, Body: bodySucceeded, Outcome: &outcome}
	if outcome.Kind != execution.Succeeded {
		reply.Body = fmt.Sprintf("Processing ended: %s", outcome.Kind)
		if outcome.Fault != nil {
			reply.Body += ": " + outcome.Fault.Error()
		}
	}
	return reply
}

func failed(err error) execution.Reply {
	if _, held := errors.AsType[*lock.HeldError](err); held {
		return execution.Reply{StatusCode: http.StatusConflict, Body: bodyInProgress}
	}
	if _, busy := errors.AsType[*execution.BusyError](err); busy {
		return execution.Reply{StatusCode: http.StatusServiceUnavailable, Body: fault.Describe(err).Error()}
	}
	if errors.Is(err, execution.ErrNewer) {
		return execution.Reply{StatusCode: http.StatusNotImplemented, Body: fault.Describe(err).Error()}
	}
	reply := execution.Reply{StatusCode: http.StatusInternalServerError, Body: fault.Describe(err).Error()}
	if fault.IsPermanent(err) {
		reply.StatusCode = http.StatusBadRequest
	}
	return reply
}
