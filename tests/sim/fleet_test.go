package sim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/processor"
)

var (
	fleetConfig = bus.Config{Durability: bus.Fast, Replicas: 1, AckWait: ackWait, MaxAckPending: 10000, QueueMaxBytes: -1, EventsMaxAge: time.Hour}
	queueConfig = queue.Config{Drain: 2 * time.Second, BackoffBase: 500 * time.Millisecond, BackoffCap: 5 * time.Second}
	guardConfig = guard.Config{MaxAttempts: 3, MaxCrashes: 3, StateTTL: time.Hour}
)

// The fleet's programs, put together as their mains do. A start that fails is
// tried again by whoever supervises.

func (p *process) js() *client { return &client{p: p} }

// worker is `worker` with an engine that does what the execution's id says.
func worker(p *process) {
	js, objects := p.js(), store{p}
	work := executor.New(objects, engine{p}, execution.OnWorker, p.name, executor.Config{Language: "es", MaxInputBytes: 1 << 20, Scratch: p.w.scratch})
	g, err := guard.Open(p.ctx, js, fleetConfig, outcome.New(objects), work, guard.Identity{Executor: execution.OnWorker, Host: p.name}, guardConfig)
	if err != nil {
		return
	}
	slots := queue.Slots{Fleet: p.w.plan.slots, Local: 1, Deadline: 2 * time.Second}
	_ = queue.NewWorker(js, fleetConfig.AckWait, slots, queueConfig).Run(p.ctx, g)
}

// forwarder is `bridge`.
func forwarder(p *process) {
	r := p.w.plan.regime
	b, err := bridge.Open(p.ctx, p.js(), store{p}, fleetConfig, invoker{p}, p.name, r.bridge(), r.calls(), bridge.WithMeter(idle{}))
	if err != nil {
		return
	}
	_ = b.Run(p.ctx)
}

// engine stands for the rules. What becomes of an execution is in its name.
type engine struct{ p *process }

// Kinds of executions: the beginning of their ids.
const (
	plain     = "plain"     // succeeds
	slow      = "slow"      // succeeds, after longer than a lock lives
	large     = "large"     // has a result that does not fit inside an OUTCOME
	flaky     = "flaky"     // fails twice
	failing   = "failing"   // fails always
	refused   = "refused"   // can't succeed, which is known at once
	poison    = "poison"    // kills whoever touches it
	misprints = "misprints" // is no request at all
)

var kinds = []string{plain, plain, slow, large, flaky, failing, refused, poison, plain}

func kindOf(id string) string {
	kind, _, _ := strings.Cut(id, "-")
	return kind
}

func (e engine) Process(ctx context.Context, job processor.Job) (processor.Result, error) {
	id := job.Info.ExecutionID
	n := e.p.w.count("process", id)
	number := e.p.w.plan.number("work", id, fmt.Sprint(n))
	took := between(number, time.Millisecond, 400*time.Millisecond)
	if kindOf(id) == slow {
		took = between(number, time.Second, 8*time.Second)
	}
	e.p.lasts(took)
	if err := e.p.sleep(ctx, took); err != nil {
		return processor.Result{}, err
	}
	switch kindOf(id) {
	case poison:
		e.p.crash("poison " + id)
		return processor.Result{}, errCrashed
	case flaky:
		if n <= 2 {
			return processor.Result{}, fmt.Errorf("attempt %d failed", n)
		}
	case failing:
		return processor.Result{}, fmt.Errorf("attempt %d failed", n)
	case refused:
		return processor.Result{}, fault.New("REFUSED", "it can't be done").Permanent()
	}
	text := fmt.Appendf(nil, "%s, run %d, by %s", id, n, e.p.name)
	result := processor.Result{Status: "Éxito", Records: 1, Files: []report{{Name: "report.json", Data: text}}}
	if kindOf(id) == large {
		body := append(make([]byte, outcome.InlineLimit), text...)
		result.Files = append(result.Files, report{Name: "data.csv", Data: body})
	}
	return result, nil
}
