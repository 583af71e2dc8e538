package remote_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// notes are Books that keep the last result.
type notes struct{ last remote.Result }

func (n *notes) Begin(context.Context, execution.Attempt, time.Time) (func(context.Context, remote.Result), error) {
	return func(_ context.Context, r remote.Result) { n.last = r }, nil
}

// TestWithoutABill: what a run cost at most is known when it is over, and not when only
// its outcome is seen: it may hang after that.
func TestWithoutABill(t *testing.T) {
	t.Parallel()
	const takes = 2 * time.Second
	answer := func(payload string) invokerFunc {
		return func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			time.Sleep(takes)
			out := &lambda.InvokeOutput{StatusCode: 200, Payload: []byte(payload)}
			middleware.SetRequestIDMetadata(&out.ResultMetadata, "r")
			return out, nil
		}
	}
	own := execution.Outcome{Kind: execution.Succeeded, Executor: execution.OnLambda, Attempt: "7-x"}
	another := own
	another.Attempt = "8-x"
	for name, tt := range map[string]struct {
		mode    string
		invoke  invokerFunc
		outcome execution.Outcome
		state   delegation.State
		want    time.Duration // that is charged; 0 is not known
	}{
		"answered":        {remote.Sync, answer(`{"statusCode":200}`), own, delegation.Ended, takes},
		"failed":          {remote.Sync, answer(`{"statusCode":500}`), execution.Outcome{}, delegation.Failed, takes},
		"lost":            {remote.Sync, lost, own, delegation.Ended, 0},
		"lost, another's": {remote.Sync, lost, another, delegation.Ended, 0},
		"event":           {remote.Event, answer(""), own, delegation.Ended, takes + time.Second},
		"event, another":  {remote.Event, answer(""), another, delegation.Ended, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, books := config(), &notes{}
				cfg.Mode, cfg.EventAge = tt.mode, time.Minute
				read := none
				if tt.outcome.Kind != "" {
					read = func(context.Context) (execution.Outcome, error) { return tt.outcome, nil }
				}
				e, err := remote.New(tt.invoke, outcomesFunc(read), cfg, remote.WithBooks(books))
				if err != nil {
					t.Fatal(err)
				}
				_, _ = e.Execute(t.Context(), attempt("x"))
				want := 0.0
				if tt.want > 0 {
					want = cfg.Cost(tt.want, cfg.MemoryMB)
				}
				if books.last.State != tt.state || math.Abs(books.last.AtMost-want) > 1e-12 {
					t.Errorf("%s for at most $%.9f, want %s for $%.9f", books.last.State, books.last.AtMost, tt.state, want)
				}
			})
		})
	}
}
