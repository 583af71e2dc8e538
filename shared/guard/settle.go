package guard

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/state"
)

// spent returns why no further attempt may be made.
func (g *Guard) spent(r state.Record) error {
	switch {
	case r.Failures >= g.cfg.MaxAttempts:
		return fault.New(CodeExhausted, "%d attempts failed, the last with %s: %s", r.Failures, r.Code, r.Reason).
			Advise("remove the cause, then `%s`", redrive(r.Key)).Permanent()
	case r.Crashes >= g.cfg.MaxCrashes:
		return fault.New(CodePoison, "%d attempts ended without a word, the last on %s", r.Crashes, r.Host).
			Advise("look for crashes and memory limits in the workers' logs, then `%s`", redrive(r.Key)).Permanent()
	}
	return nil
}

// redrive is the command that has k carried out again.
func redrive(k execution.Key) string { return "sage redrive " + k.ID + " --mailbox " + k.Mailbox }

// bury commits DEAD for cause. What the attempt cost stands in r.
func (g *Guard) bury(ctx context.Context, a execution.Attempt, r state.Record, revision uint64, cause error) (execution.Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	o, err := g.outcomes.Commit(ctx, execution.Outcome{
		Key: a.Request.Key(), Kind: execution.Dead, Attempt: execution.NewAttemptID(a.Token), Number: a.Number,
		Executor: g.who.Executor, Host: g.who.Host, RequestDigest: a.Request.Digest(), Fault: fault.Describe(cause),
		Sender: a.Request.Sender, Method: a.Request.Method, Class: a.Request.Class, Deadline: a.Request.Deadline, Enqueued: a.Enqueued, Started: r.Started, Finished: time.Now().UTC(),
	}, nil)
	if err != nil {
		g.handBack(ctx, r, revision)
		return execution.Outcome{}, busy(err)
	}
	if mine(a, o) {
		o.Usage = r.Usage
	} else {
		g.superseded(ctx, a, r, r.Usage)
	}
	g.endedBy(a, o)
	return g.settle(ctx, a, r, revision, o)
}

// mine reports whether o is what a committed.
func mine(a execution.Attempt, o execution.Outcome) bool {
	return execution.AttemptToken(o.Attempt) == a.Token
}

// superseded tells what a cost although another's outcome stands: the event of that end
// says what the other cost.
func (g *Guard) superseded(ctx context.Context, a execution.Attempt, r state.Record, usage *execution.Usage) {
	if usage == nil {
		return
	}
	g.wasted(a, *usage)
	r.State, r.Code, r.Reason = "", "", "another attempt's outcome stands"
	g.tellCost(ctx, execution.EventSuperseded, r, a.Number, usage)
}

// tellCost tells what was paid for and charges no attempt.
func (g *Guard) tellCost(ctx context.Context, kind string, r state.Record, number int, usage *execution.Usage) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := g.tell(kind, r, number, usage, nil)(ctx); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Float64("usd", usage.CostUSD).Msg("cost of an attempt not told")
	}
}

// handBack makes the record say that nobody is at it, so that the next holder
// doesn't count a crash.
func (g *Guard) handBack(ctx context.Context, r state.Record, revision uint64) {
	r.State, r.Updated = execution.Accepted, time.Now().UTC()
	if _, err := g.states.Save(ctx, r, revision); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("release not recorded")
	}
}

// fail records a failed attempt. It charges the attempt unless the failure was not
// the request's own.
func (g *Guard) fail(ctx context.Context, a execution.Attempt, r state.Record, revision uint64, cause error) (execution.Outcome, error) {
	_, isBusy := errors.AsType[*execution.BusyError](cause)
	isBusy = isBusy || errors.Is(cause, execution.ErrNewer) // what stands is for others to read
	// A context that ended with a fault is a limit of the work, not a drain.
	drained := ctx.Err() != nil && fault.CodeOf(context.Cause(ctx)) == fault.Unclassified
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	what, usage := fault.Describe(cause), execution.Billed(cause)
	r.Code, r.Reason, r.Updated = string(what.Code), what.Error(), time.Now().UTC()
	switch {
	case isBusy || drained && !fault.IsPermanent(cause):
		g.handBack(ctx, r, revision)
		if usage != nil {
			g.wasted(a, *usage)
			r.State = execution.Accepted
			g.tellCost(ctx, execution.EventReturned, r, a.Number, usage)
		}
		return execution.Outcome{}, cause
	}
	r.Usage = usage
	if fault.IsPermanent(cause) {
		return g.bury(ctx, a, r, revision, cause)
	}
	r.State, r.Failures = execution.RetryWait, r.Failures+1
	revision, err := g.states.Save(ctx, r, revision)
	if err != nil {
		return execution.Outcome{}, busy(err)
	}
	failpoint.Hit(failpoint.RetryRecorded)
	if exhausted := g.spent(r); exhausted != nil {
		return g.bury(ctx, a, r, revision, exhausted)
	}
	if err := g.tellRetry(ctx, r); err != nil {
		return execution.Outcome{}, err
	}
	failpoint.Hit(failpoint.RetryTold)
	g.failed(a, cause)
	return execution.Outcome{}, &execution.RetryError{Number: r.Failures, Err: cause}
}

// tellRetry tells that the attempt of r, which waits for another, failed.
func (g *Guard) tellRetry(ctx context.Context, r state.Record) error {
	if err := g.tell(execution.EventRetry, r, r.Failures, r.Usage, nil)(ctx); err != nil {
		return busy(err)
	}
	return nil
}

// answer repeats an outcome that stands, repairing what a crash left untold or
// unrecorded.
func (g *Guard) answer(ctx context.Context, a execution.Attempt, o execution.Outcome) (execution.Outcome, error) {
	r, revision, err := g.states.Load(ctx, o.Key)
	if err != nil {
		return execution.Outcome{}, busy(err)
	}
	return g.settle(ctx, a, r, revision, o)
}

// settle tells and records what o says, having checked that o answers a's request
// and no other's.
func (g *Guard) settle(ctx context.Context, a execution.Attempt, r state.Record, revision uint64, o execution.Outcome) (execution.Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	ended := o
	if ended.Enqueued.IsZero() {
		ended.Enqueued = a.Enqueued
	}
	if err := NewEnding(g.states, g.events, g.who.Host).Settle(ctx, r, revision, ended); err != nil {
		return execution.Outcome{}, busy(err)
	}
	failpoint.Hit(failpoint.EventStored)
	if o.RequestDigest != a.Request.Digest() {
		return execution.Outcome{}, execution.Conflict(o.Key)
	}
	return o, nil
}

func (g *Guard) tell(kind string, r state.Record, number int, usage *execution.Usage, asked *execution.Asked) (stored func(context.Context) error) {
	told := transition(r, number)
	told.Usage, told.Asked = usage, asked
	if r.State == execution.Running {
		told.Code, told.Reason = "", "" // they are an earlier attempt's
		told.Why = r.Why
	}
	return g.events.Publish(kind, execution.NewEvent(kind, g.who.Host, r.Updated, told))
}
