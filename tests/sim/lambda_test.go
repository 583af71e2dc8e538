package sim

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	enginereport "github.com/sagefleet/sagefleet/worker/engine/report"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/function"
)

type report = enginereport.File

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
	call := invocation{w: w, name: fmt.Sprintf("lambda-%s.%d", id, n), number: number, payload: in.Payload, lost: f.lost,
		event: in.InvocationType == types.InvocationTypeEvent}
	replies := call.run(f.request)
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

// invocation is one call of the function.
type invocation struct {
	w       *world
	name    string
	number  uint64 // decides what becomes of it
	payload []byte
	lost    bool
	event   bool // it is taken down and carried out later
}

// run has the function do it, once as a rule, and returns where the answers come: one for
// each run, or at once when it is an event.
func (v invocation) run(after time.Duration) <-chan *lambda.InvokeOutput {
	w, runs := v.w, 1
	limited := w.plan.limit > 0
	if !w.quiet() && v.number%16 == 1 && !limited { // what runs twice is billed twice, and no reservation covers that
		runs = 2
	}
	replies := make(chan *lambda.InvokeOutput, runs+1)
	if v.event && !v.lost {
		w.running.Go(func() {
			time.Sleep(after)
			out := &lambda.InvokeOutput{StatusCode: 202}
			awsmiddleware.SetRequestIDMetadata(&out.ResultMetadata, v.name)
			replies <- out
		})
		delay, dropped := v.wait()
		if after += delay; dropped {
			return replies
		}
	}
	for run := range runs {
		name := fmt.Sprintf("%s.%d", v.name, run+1)
		initial := between(w.plan.number("cold", name), time.Millisecond, 300*time.Millisecond)
		if limited && !w.quiet() && v.number/16%2 == 0 {
			initial = between(scramble(v.number), time.Second, coldStart)
		}
		w.lasts(after + initial + lambdaTimeout)
		w.running.Go(func() {
			time.Sleep(after)
			if v.lost {
				return
			}
			time.Sleep(initial)
			if out := w.environment(name, v.payload, initial, v.number/32%8 == 0); !v.event {
				replies <- out
			}
		})
	}
	return replies
}

// wait is how long an event waits for its turn. One that waits for too long is dropped.
func (v invocation) wait() (delay time.Duration, dropped bool) {
	if v.w.quiet() {
		return between(scramble(v.number), time.Millisecond, 20*time.Millisecond), false
	}
	most := 20 * time.Millisecond
	switch v.number / 512 % 8 {
	case 0:
		return 0, true
	case 1:
		most = eventAge
	case 2, 3:
		most = 8 * time.Second
	}
	return between(scramble(v.number), time.Millisecond, most), false
}

// environment runs the handler once, under the platform's timeout, after an initialisation
// that took so long.
func (w *world) environment(name string, payload []byte, initial time.Duration, untold bool) *lambda.InvokeOutput {
	p, began := w.start(name), time.Now()
	defer p.kill()
	objects := store{p}
	work := executor.New(objects, engine{p}, execution.OnLambda, name, executor.Config{Language: "es", MaxInputBytes: 1 << 20, Scratch: w.scratch})
	deadline, cancel := context.WithTimeout(p.ctx, lambdaTimeout)
	defer cancel()
	replied := make(chan execution.Reply, 1)
	w.running.Go(func() {
		reply, _ := function.New(work, function.WithOutcomes(outcome.New(objects))).Handle(deadline, payload)
		replied <- reply
	})
	timeout := time.NewTimer(lambdaTimeout)
	defer timeout.Stop()
	out := &lambda.InvokeOutput{StatusCode: 200}
	what := "Runtime.ExitError"
	select {
	case reply := <-replied:
		if !p.isDead() {
			out.Payload, _ = json.Marshal(reply)
			what = ""
		}
	case <-timeout.C:
		what = "Sandbox.Timedout"
		p.crash("timeout")
	case <-p.died:
	}
	if what != "" {
		out.FunctionError = aws.String("Unhandled")
		out.Payload = fmt.Appendf(nil, `{"errorType":%q,"errorMessage":"the environment ended"}`, what)
	}
	billed := initial + time.Since(began)
	w.bill(name, billed)
	awsmiddleware.SetRequestIDMetadata(&out.ResultMetadata, name)
	if !untold {
		line := fmt.Sprintf("REPORT RequestId: %s\tDuration: %d ms\tBilled Duration: %d ms\tMemory Size: 1024 MB\tInit Duration: %d ms\n",
			name, time.Since(began).Milliseconds()+1, billed.Milliseconds()+1, initial.Milliseconds())
		out.LogResult = aws.String(base64.StdEncoding.EncodeToString([]byte(line)))
	}
	return out
}

// bill adds what a run cost to what was spent: never more than half of an hour's limit, and
// what of the other half has come back meanwhile.
func (w *world) bill(name string, billed time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.plan.calls()
	w.ledger.spent += calls.Cost(billed, calls.MemoryMB)
	w.note(name, "billed", billed.String(), "")
	if w.plan.limit == 0 {
		return
	}
	w.seen["billed"]++
	may := w.plan.limit / 2 * (1 + w.now().Hours())
	if w.ledger.spent > may*(1+1e-6) {
		w.violate("LIMIT", "$%.6f were spent, and by now $%.6f may be", w.ledger.spent, may)
	}
}
