package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sagefleet/sagefleet/shared/execution"
	enginereport "github.com/sagefleet/sagefleet/worker/engine/report"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/function"
)

type report = enginereport.File

const lambdaTimeout = 4 * time.Second

// invoker is AWS Lambda. Each invocation is a process of its own, which may run
// twice, or on after its answer was lost.
type invoker struct{ p *process }

var errNoAnswer = errors.New("connection reset")

func (i invoker) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	var inv execution.Invocation
	if err := json.Unmarshal(in.Payload, &inv); err != nil {
		return nil, err
	}
	w, id := i.p.w, inv.Request.ID
	n := w.count("invoke", id)
	number := w.plan.number("invoke", id, strconv.Itoa(n))
	f := i.p.fate("invoke", id)
	if err := i.p.awake(f.request); err != nil {
		return nil, err
	}
	if !w.quiet() && number%16 == 0 {
		return nil, &types.TooManyRequestsException{Message: aws.String("Rate Exceeded."), RetryAfterSeconds: aws.String("1")}
	}
	runs := 1
	if !w.quiet() && number%16 == 1 {
		runs = 2
	}
	replies := make(chan *lambda.InvokeOutput, runs)
	for run := range runs {
		name := fmt.Sprintf("lambda-%s.%d.%d", id, n, run+1)
		start := f.request + between(w.plan.number("cold", name), time.Millisecond, 300*time.Millisecond)
		w.running.Go(func() {
			time.Sleep(start)
			if !f.lost {
				replies <- w.environment(name, in.Payload)
			}
		})
	}
	select {
	case out := <-replies:
		if f.mute {
			out = nil
		}
		if err := i.p.sleep(ctx, f.answer); err != nil {
			return nil, err
		}
		if out == nil {
			return nil, errNoAnswer
		}
		return out, nil
	case <-ctx.Done():
		err := i.p.awake(f.answer)
		return nil, errors.Join(ctx.Err(), err)
	case <-i.p.died:
		return nil, errCrashed
	}
}

// environment runs the handler once, under the platform's timeout.
func (w *world) environment(name string, payload []byte) *lambda.InvokeOutput {
	p := w.start(name)
	defer p.kill()
	work := executor.New(store{p}, engine{p}, execution.OnLambda, name, executor.Config{Language: "es", MaxInputBytes: 1 << 20, Scratch: w.scratch})
	deadline, cancel := context.WithTimeout(p.ctx, lambdaTimeout)
	defer cancel()
	replied := make(chan execution.Reply, 1)
	w.running.Go(func() {
		reply, _ := function.New(work).Handle(deadline, payload)
		replied <- reply
	})
	timeout := time.NewTimer(lambdaTimeout)
	defer timeout.Stop()
	what := "Runtime.ExitError"
	select {
	case reply := <-replied:
		if !p.isDead() {
			data, _ := json.Marshal(reply)
			return &lambda.InvokeOutput{StatusCode: 200, Payload: data}
		}
	case <-timeout.C:
		what = "Sandbox.Timedout"
		p.crash("timeout")
	case <-p.died:
	}
	return &lambda.InvokeOutput{StatusCode: 200, FunctionError: aws.String("Unhandled"),
		Payload: fmt.Appendf(nil, `{"errorType":%q,"errorMessage":"the environment ended"}`, what)}
}
