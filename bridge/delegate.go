package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeLocal says that an execution is no Lambda's.
const CodeLocal fault.Code = "BRIDGE_LOCAL"

// taken is next, for executions that come off the queue: it counts those that are
// held, and says why they were taken. What is no Lambda's is moved where no bridge
// takes it.
func (b *Bridge) taken(next execution.Executor, local overflow.LocalOnly, events *event.Publisher) execution.ExecutorFunc {
	return func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		bytes := a.Request.Bytes()
		if reason := local.Keeps(bytes, a.Request.Class, b.counts.runsOf(bytes)); reason != "" {
			kept := &execution.BusyError{For: time.Second, Local: true, Err: fault.New(CodeLocal, "left to workers: %s", reason)}
			b.tellReturned(ctx, a, kept, events)
			return execution.Outcome{}, kept
		}
		b.counts.mu.Lock()
		b.counts.held++
		b.counts.mu.Unlock()
		defer func() {
			b.counts.mu.Lock()
			b.counts.held--
			b.counts.mu.Unlock()
		}()
		d := b.steerer.current()
		reason := why(b.steerer.policy.Name(), d.Decision)
		if a.Why != nil && a.Why.Signals != nil { // as it was when the server handed it out
			reason.Signals.Pending = a.Why.Signals.Pending
		}
		a.Why = &reason
		if d.Rule == overflow.RuleAge {
			b.steerer.hurry(true) // the next oldest may be late as well
		}
		o, err := next.Execute(ctx, a)
		if busy, ok := errors.AsType[*execution.BusyError](err); ok && busy.Local && fault.CodeOf(busy) != remote.CodePayload && !b.workersAreFree() {
			busy.Local = false
		}
		return o, err
	}
}

// delegated is next, for attempts that are handed to a Lambda: it counts them and
// learns from them, and tells when one comes back unexecuted.
func (b *Bridge) delegated(next execution.Executor, events *event.Publisher) execution.ExecutorFunc {
	return func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		began := time.Now()
		b.counts.begun(began, b.fleet.Total(b.host).Free > 0)
		waiting, stop := b.waitFor(ctx, a)
		o, err := next.Execute(waiting, a)
		stop()
		if cause := context.Cause(waiting); err != nil && fault.CodeOf(cause) == CodeOverdue {
			err = execution.Bill(&execution.BusyError{For: time.Second, Local: true, Err: cause}, execution.Billed(err))
		}
		_, isBusy := errors.AsType[*execution.BusyError](err)
		b.counts.mu.Lock()
		switch {
		case err == nil:
			b.counts.ran(a.Request.Bytes(), time.Since(began))
		case isBusy:
			b.counts.returned++
			if fault.CodeOf(err) == remote.CodeThrottled {
				b.counts.throttled++
			}
		}
		b.counts.mu.Unlock()
		if isBusy && ctx.Err() == nil {
			b.tellReturned(ctx, a, err, events)
		}
		return o, err
	}
}

// tellReturned tells that a goes back to the queue, why, and what it cost. Nothing waits
// for it.
func (b *Bridge) tellReturned(ctx context.Context, a execution.Attempt, cause error, events *event.Publisher) {
	what, usage := fault.Describe(cause), execution.Billed(cause)
	if busy, ok := errors.AsType[*execution.BusyError](cause); ok {
		what = fault.Describe(busy.Err)
	}
	stored := events.Publish(execution.EventReturned, execution.NewEvent(execution.EventReturned, b.host, time.Now(), execution.EventData{
		Key: a.Request.Key(), State: execution.Accepted, Number: a.Number, Token: a.Token, Executor: execution.OnLambda,
		Reason: what.Error(), Code: string(what.Code), Usage: usage, Why: a.Why, Enqueued: a.Enqueued}))
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := stored(ctx); err != nil {
			zerolog.Ctx(ctx).Debug().Err(err).Msg("return not told")
		}
	}()
}
