package remote_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

// invokerFunc is an Invoker whose answers no service would give on demand.
type invokerFunc func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error)

func (f invokerFunc) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	return f(ctx, in)
}

type outcomesFunc func(context.Context) (execution.Outcome, error)

func (f outcomesFunc) Read(ctx context.Context, _ execution.Key) (execution.Outcome, error) {
	return f(ctx)
}

var errReset = errors.New("connection reset by peer")

func lost(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) { return nil, errReset }

func none(context.Context) (execution.Outcome, error) { return execution.Outcome{}, outcome.ErrNone }

func execute(t *testing.T, ctx context.Context, invoke invokerFunc, read outcomesFunc) (execution.Outcome, error) {
	t.Helper()
	cfg := config()
	cfg.Timeout, cfg.Margin, cfg.Poll = 15*time.Minute, 20*time.Second, time.Second
	e, err := remote.New(invoke, read, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e.Execute(ctx, attempt("x"))
}

// TestUnknownOutcome: the wait lasts until the invocation can't be running.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	const expiry = 15*time.Minute + 20*time.Second
	silent := func(ctx context.Context, _ *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	broken := func(context.Context) (execution.Outcome, error) { return execution.Outcome{}, errReset }
	tests := map[string]struct {
		invoke invokerFunc
		read   outcomesFunc
		busy   bool
	}{
		"lost":         {lost, none, false},
		"never answer": {silent, none, false},
		"no storage":   {lost, broken, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := execute(t, t.Context(), tt.invoke, tt.read)
				if took := time.Since(began); took != expiry {
					t.Errorf("waited %v, want %v", took, expiry)
				}
				_, busy := errors.AsType[*execution.BusyError](err)
				if err == nil || busy != tt.busy || fault.IsPermanent(err) || !busy && fault.CodeOf(err) != remote.CodeUnknown {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// TestOutcomeComesLater: storage that fails meanwhile ends no wait.
func TestOutcomeComesLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		o, err := execute(t, t.Context(), lost, func(context.Context) (execution.Outcome, error) {
			switch waited := time.Since(began); {
			case waited < time.Minute:
				return execution.Outcome{}, outcome.ErrNone
			case waited < 2*time.Minute:
				return execution.Outcome{}, errReset
			}
			return execution.Outcome{Kind: execution.Dead}, nil
		})
		if err != nil || o.Kind != execution.Dead || time.Since(began) > 2*time.Minute+time.Second {
			t.Errorf("got %+v, %v after %v", o, err, time.Since(began))
		}
	})
}

// TestCancelled: the end of ctx ends the wait at once, after one last read.
func TestCancelled(t *testing.T) {
	t.Parallel()
	errDrain := errors.New("draining")
	for name, committed := range map[string]bool{"nothing stands": false, "cancellation stands": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Minute, func() { cancel(errDrain) })
				began := time.Now()
				o, err := execute(t, ctx, lost, func(read context.Context) (execution.Outcome, error) {
					if read.Err() != nil {
						return execution.Outcome{}, read.Err()
					}
					if committed && ctx.Err() != nil {
						return execution.Outcome{Kind: execution.Cancelled}, nil
					}
					return execution.Outcome{}, outcome.ErrNone
				})
				if took := time.Since(began); took != time.Minute {
					t.Errorf("returned after %v", took)
				}
				if committed && (err != nil || o.Kind != execution.Cancelled) || !committed && !errors.Is(err, errDrain) {
					t.Errorf("got %+v, %v", o, err)
				}
			})
		})
	}
}

// TestStorageFails: after a definite end that may have committed, nobody knows;
// no attempt is charged.
func TestStorageFails(t *testing.T) {
	t.Parallel()
	replied := func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{StatusCode: 200, Payload: []byte(`{"statusCode":500,"body":"x"}`)}, nil
	}
	_, err := execute(t, t.Context(), replied, func(context.Context) (execution.Outcome, error) {
		return execution.Outcome{}, errReset
	})
	if _, busy := errors.AsType[*execution.BusyError](err); !busy || !errors.Is(err, errReset) {
		t.Errorf("got %v", err)
	}
}

// TestRetryAfter: nothing is begun for as long as Lambda asks to be left alone.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 250 * time.Millisecond,
		"-1": 250 * time.Millisecond, "soon": 250 * time.Millisecond, "3600": 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			throttle := func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
				return nil, &types.TooManyRequestsException{RetryAfterSeconds: &header}
			}
			e, err := remote.New(invokerFunc(throttle), outcomesFunc(func(context.Context) (execution.Outcome, error) {
				t.Error("read OUTCOME although nothing ran")
				return execution.Outcome{}, nil
			}), config())
			if err != nil {
				t.Fatal(err)
			}
			_, err = e.Execute(t.Context(), attempt("x"))
			if busy, ok := errors.AsType[*execution.BusyError](err); !ok || busy.For != 0 {
				t.Errorf("Retry-After %q: %v", header, err)
			}
			if time.Sleep(want - time.Millisecond); e.Governor().Room(0) != 0 {
				t.Errorf("Retry-After %q: room before %v", header, want)
			}
			if time.Sleep(time.Millisecond); e.Governor().Room(0) == 0 {
				t.Errorf("Retry-After %q: no room after %v", header, want)
			}
		})
	}
}

// TestInvocation: what is sent is what the function decodes.
func TestInvocation(t *testing.T) {
	t.Parallel()
	var sent execution.Invocation
	_, err := execute(t, t.Context(), func(_ context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		if *in.FunctionName != "sage" || in.InvocationType != types.InvocationTypeRequestResponse || in.LogType != types.LogTypeTail {
			t.Errorf("sent %+v", in)
		}
		var err error
		sent, err = execution.DecodeInvocation(in.Payload, "other")
		return &lambda.InvokeOutput{Payload: []byte(`{"statusCode":200}`)}, err
	}, func(context.Context) (execution.Outcome, error) {
		return execution.Outcome{Kind: execution.Succeeded}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a := attempt("x")
	if sent.Request.Digest() != a.Request.Digest() || sent.Delegation == nil ||
		sent.Delegation.Token != 7 || sent.Delegation.Number != 2 || sent.Delegation.Deliveries != 3 || !sent.Delegation.Enqueued.Equal(a.Enqueued) {
		t.Errorf("sent %+v", sent)
	}
}
