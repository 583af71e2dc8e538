// Package remote asks a Lambda to carry out attempts.
//
// What an invocation answers decides nothing. A lost answer may hide a success,
// and a success may be claimed for an outcome that isn't there; so every end but
// a throttle is settled by reading OUTCOME. Only an answer after which the work
// can't be running any more ends the wait for it.
package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"

	"github.com/sagefleet/sagefleet/bridge/governor"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/machine"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/trace"
)

// Invoker is the part of a Lambda client that is needed. It must send an
// invocation once at most; see [NewClient].
type Invoker interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Outcomes reads what has been committed; outcome.ErrNone says that nothing has.
type Outcomes interface {
	Read(context.Context, execution.Key) (execution.Outcome, error)
}

// Executor has a Lambda do the work.
type Executor struct {
	client   Invoker
	outcomes Outcomes
	governor *governor.Governor
	books    Books
	cfg      Config
}

// New returns an Executor that invokes the function of cfg.
func New(client Invoker, outcomes Outcomes, cfg Config, opts ...Option) (*Executor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Executor{client: client, outcomes: outcomes, books: noBooks{}, cfg: cfg, governor: governor.New(cfg.Concurrency, cfg.Governor)}
	for _, opt := range opts {
		opt(e)
	}
	return e, nil
}

// Governor is what limits the invocations of e.
func (e *Executor) Governor() *governor.Governor { return e.governor }

// Execute has the Lambda carry out a and returns the outcome that stands, with
// what the run was billed when Lambda has said so. It returns a
// *execution.BusyError when the function did not run, a permanent fault when it
// refused, and otherwise a fault that a retry may mend. A failure that was
// billed is a *execution.BilledError around any of them.
func (e *Executor) Execute(ctx context.Context, a execution.Attempt) (o execution.Outcome, err error) {
	permit, err := e.governor.Begin(ctx, e.reachable)
	if fault.CodeOf(err) == governor.CodeClosed {
		return execution.Outcome{}, &execution.BusyError{Err: err} // for a worker, at once
	}
	if err != nil {
		return execution.Outcome{}, err
	}
	defer permit.Done()
	ctx, span := trace.Start(ctx, "invoke "+e.cfg.Function, trace.Client, a.Request.Key(), attribute.String("faas.invoked_name", e.cfg.Function))
	defer func() { span.End(err) }()
	if parent := trace.Parent(ctx); parent != "" {
		a.Request.Trace = parent
	}
	began := time.Now()
	expiry := began.Round(0).Add(e.cfg.Longest()) // by the wall clock, which goes on while the machine is suspended
	payload, kind, err := e.encode(a, expiry)
	if err != nil {
		return execution.Outcome{}, fmt.Errorf("encode invocation: %w", err)
	}
	end, err := e.books.Begin(ctx, a, expiry)
	if err != nil {
		return execution.Outcome{}, err
	}
	permit.Sent()
	asked := e.invoke(ctx, kind, payload, expiry)
	if throttled, ok := errors.AsType[*types.TooManyRequestsException](asked.err); ok {
		permit.Throttled(retryAfter(throttled))
		end(ctx, asked.result(asked.err, expiry))
		return execution.Outcome{}, asked.err
	}
	if asked.running {
		e.tell(ctx, permit, asked)
	}
	if asked.accepted {
		end(ctx, Result{State: delegation.Running, RequestID: asked.requestID})
	}
	answered := machine.Since(began)
	o, err = e.settle(ctx, a.Request.Key(), asked, expiry)
	e.follow(ctx, a, asked, o)
	if !asked.running {
		asked.err = err
		e.tell(ctx, permit, asked)
	}
	result := asked.result(err, expiry)
	switch {
	case !asked.running && asked.requestID != "":
		result.AtMost = e.cfg.Cost(answered, e.cfg.MemoryMB)
	case asked.accepted && err == nil && mine(o, a):
		result.AtMost = e.cfg.Cost(machine.Since(began)+closing, e.cfg.MemoryMB)
	}
	end(ctx, result)
	if err != nil {
		return o, execution.Bill(err, asked.usage)
	}
	o.Usage = asked.usage
	return o, nil
}

// follow makes spans of what the run did. Of one that told nothing, as an event, only the
// outcome is known.
func (e *Executor) follow(ctx context.Context, a execution.Attempt, asked answer, o execution.Outcome) {
	steps := asked.steps
	if len(steps) == 0 && mine(o, a) && !o.Finished.Before(o.Started) {
		steps = []execution.Step{{Name: "execute", Began: o.Started, Micros: o.Finished.Sub(o.Started).Microseconds()}}
	}
	trace.Record(ctx, steps, trace.Server, a.Request.Key(), attribute.String("sagefleet.executor", execution.OnLambda), attribute.String("faas.name", e.cfg.Function))
}

// closing is how long the run of an event may last after its commit. Of one whose answer
// was lost nothing is assumed: it may hang after the commit too.
const closing = time.Second

func mine(o execution.Outcome, a execution.Attempt) bool {
	return o.Executor == execution.OnLambda && execution.AttemptToken(o.Attempt) == a.Token
}

// tell says to the governor what came of an invocation. A payload that Lambda refuses
// says nothing of Lambda, and neither does an answer that nobody waited for.
func (e *Executor) tell(ctx context.Context, permit *governor.Permit, asked answer) {
	switch code := fault.CodeOf(asked.err); {
	case asked.accepted:
		permit.Succeeded()
	case code == CodePayload || ctx.Err() != nil:
	case code == CodeUnavailable || code == CodeUnknown || code == CodeFunction || code == CodeRefused || code == CodeNoOutcome:
		permit.Failed(ctx, asked.err)
	default:
		permit.Succeeded()
	}
}

// reachable asks Lambda whether it would run the function.
func (e *Executor) reachable(ctx context.Context) error {
	_, err := e.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &e.cfg.Function, InvocationType: types.InvocationTypeDryRun})
	if _, full := errors.AsType[*types.TooManyRequestsException](err); full {
		return nil
	}
	return err
}

// encode returns the payload of a and how to send it: as an event when that is asked
// for and it is small enough.
func (e *Executor) encode(a execution.Attempt, expiry time.Time) ([]byte, types.InvocationType, error) {
	delegated := &execution.Delegation{Token: a.Token, Number: a.Number, Deliveries: a.Deliveries, Enqueued: a.Enqueued}
	inv := execution.Invocation{Request: a.Request, Delegation: delegated}
	if e.cfg.Mode == Event {
		// What begins later may be running after expiry.
		delegated.Event, delegated.Expires = true, expiry.Add(-e.cfg.Timeout).UTC()
		payload, err := json.Marshal(inv)
		if err != nil || len(payload) <= maxEventPayload {
			return payload, types.InvocationTypeEvent, err
		}
		delegated.Event, delegated.Expires = false, time.Time{}
	}
	payload, err := json.Marshal(inv)
	return payload, types.InvocationTypeRequestResponse, err
}

// invoke asks once and waits for the answer until the invocation must have
// ended.
func (e *Executor) invoke(ctx context.Context, kind types.InvocationType, payload []byte, expiry time.Time) answer {
	ctx, cancel := context.WithDeadline(ctx, expiry)
	defer cancel()
	var sent atomic.Bool // the transport reports from goroutines of its own
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { sent.Store(true) },
	})
	in := &lambda.InvokeInput{FunctionName: &e.cfg.Function, InvocationType: kind, Payload: payload}
	if kind == types.InvocationTypeRequestResponse {
		in.LogType = types.LogTypeTail
	}
	failpoint.Hit(failpoint.Invoking)
	out, err := e.client.Invoke(traced, in)
	failpoint.Hit(failpoint.Invoked)
	return e.classify(out, err, kind, sent.Load())
}

// firstPoll is the first wait for an outcome that isn't there; each is half as long
// again as the one before.
const firstPoll = 50 * time.Millisecond

// settle returns the outcome that stands. While the work may be running it waits
// for one.
func (e *Executor) settle(ctx context.Context, k execution.Key, asked answer, expiry time.Time) (execution.Outcome, error) {
	if asked.running && !asked.accepted {
		zerolog.Ctx(ctx).Warn().Err(asked.err).Time("until", expiry).Msg("answer lost, waiting for the outcome")
	}
	for wait := firstPoll; ; wait = min(wait+wait/2, e.cfg.Poll) {
		o, err := e.read(ctx, k)
		if err == nil {
			return o, nil
		}
		none := errors.Is(err, outcome.ErrNone)
		over := !asked.running || !time.Now().Before(expiry)
		switch {
		case ctx.Err() != nil:
			return o, fmt.Errorf("wait for the outcome: %w", context.Cause(ctx))
		case over && none:
			return o, asked.err
		case over:
			return o, e.busy(fmt.Errorf("read outcome: %w", err)) // it may stand: nobody's attempt failed
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(wait, e.cfg.Poll, time.Until(expiry))):
		}
	}
}

// readGrace is how long a read may last that ctx does not limit any more.
const readGrace = 5 * time.Second

// read reads OUTCOME, also when ctx has ended: whoever cancels an execution
// commits first, and what was paid for may have been committed too.
func (e *Executor) read(ctx context.Context, k execution.Key) (execution.Outcome, error) {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), readGrace)
		defer cancel()
	}
	return e.outcomes.Read(ctx, k)
}
