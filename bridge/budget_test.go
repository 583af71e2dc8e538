package bridge_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// invoker is a Lambda that executes as the rig does.
type invoker struct{ r *rig }

func (i invoker) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	if in.InvocationType == types.InvocationTypeDryRun {
		return &lambda.InvokeOutput{StatusCode: http.StatusNoContent}, nil
	}
	inv, err := execution.DecodeInvocation(in.Payload, "x")
	if err != nil {
		return nil, err
	}
	if _, err := i.r.execute(ctx, execution.Attempt{Request: inv.Request, Token: inv.Delegation.Token, Number: inv.Delegation.Number}); err != nil {
		return nil, err
	}
	reply, err := json.Marshal(execution.Reply{StatusCode: http.StatusOK})
	const log = "REPORT RequestId: r\tDuration: 9 ms\tBilled Duration: 10 ms\tMemory Size: 1024 MB\t\n"
	tail := base64.StdEncoding.EncodeToString([]byte(log))
	return &lambda.InvokeOutput{StatusCode: http.StatusOK, Payload: reply, LogResult: &tail}, err
}

// openBudget is a rig whose bridge may pay for so many invocations at once that nobody
// knows the cost of, or for any number with 0.
func openBudget(t *testing.T, atOnce int) *rig {
	t.Helper()
	calls, err := settings.Parse[remote.Config](map[string]string{"LAMBDA_FUNCTION": "sage"})
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	if atOnce > 0 {
		variables["BUDGET_HOUR_USD"] = fmt.Sprint(2.1 * float64(atOnce) * calls.MaxCost()) // half of it at once
	}
	return openRig(t, variables,
		func(r *rig, objects storage.Store, fleet bus.Config, cfg bridge.Config) (*bridge.Bridge, error) {
			return bridge.Open(t.Context(), r.js, objects, fleet, invoker{r}, "bridge", cfg, calls)
		})
}

// With a budget for two, no third execution is taken off the queue: it would stay away
// from the workers for nothing.
func TestTakesNoMoreThanTheBudgetPaysFor(t *testing.T) {
	t.Parallel()
	const atOnce = 2
	r := openBudget(t, atOnce)
	r.hold = make(chan struct{})
	r.start(t)
	r.publish(t, 0, 20)
	consumer, err := r.js.Consumer(t.Context(), bus.StreamExecutions, bus.ConsumerFleet)
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	held := func() int {
		info, err := consumer.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, info.NumAckPending)
		return info.NumAckPending
	}
	eventually(t, "two are invoked", func() bool { held(); return len(r.invocations()) == atOnce })
	for began := time.Now(); time.Since(began) < time.Second; time.Sleep(5 * time.Millisecond) {
		held()
	}
	if m := r.metrics(t); most > atOnce || m["sage_invocations_returned_total"] != 0 {
		t.Errorf("%d were taken at once and %v put back, with a budget for %d", most, m["sage_invocations_returned_total"], atOnce)
	}
	close(r.hold)
	eventually(t, "17 of 20 are invoked: what they cost is known", func() bool { return len(r.invocations()) == 17 })
	if m := r.metrics(t); m["sage_invocations_returned_total"] != 0 {
		t.Errorf("%v were put back", m["sage_invocations_returned_total"])
	}
}
