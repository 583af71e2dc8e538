package simulate

import (
	"context"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/planning"
)

// Option is what a policy with so many replicas would have come to.
type Option = planning.Option

// Answer is the [planning.Planner] of this package.
func Answer(ctx context.Context, past []Past, q planning.Question) (planning.Answer, error) {
	jobs, assumed := FromPast(past, q.Deadline)
	if len(jobs) == 0 {
		return planning.Answer{}, fault.New(planning.CodeNoHistory, "no past executions").Expecting("executions that have ended, with their times").
			Advise("take in more: begin earlier, or take every mailbox")
	}
	setup := Standard(1)
	setup.Slots, setup.ReplicaPrice, setup.Span, setup.Deadline = q.Slots, q.ReplicaUSD, assumed.Span, q.Deadline.Seconds()
	setup.Cloud.MemoryMB, setup.Cloud.GBSecond, setup.Cloud.Request, setup.Cloud.Concurrency = q.MemoryMB, q.GBSecondUSD, q.RequestUSD, q.Concurrency
	if q.BudgetUSD > 0 {
		setup.Budget = budget.Config{Hour: q.BudgetUSD}
	}
	a := planning.Answer{Assumed: assumed, Observed: Observed(past, q.Deadline), ReplayOf: q.Policy, ReplayWith: q.Now,
		Deadline: q.Deadline.Seconds(), LatePercent: q.LatePercent}
	var err error
	if a.Options, err = Plan(ctx, jobs, setup, Policies, q.Replicas, q.LatePercent); err != nil {
		return planning.Answer{}, err
	}
	setup.Replicas = q.Now
	a.Replay, _, err = within(ctx, jobs, setup, New(q.Policy, setup.Deadline))
	return a, err
}

// Plan runs every policy with every number of replicas over jobs. objective is how
// many percent may be late.
func Plan(ctx context.Context, jobs []Job, setup Setup, policies []string, replicas []int, objective float64) ([]Option, error) {
	var options []Option
	for _, n := range replicas {
		for _, name := range policies {
			with := setup
			with.Replicas = n
			if n == 0 && name == LocalAlone.Name() {
				continue // nothing would ever end
			}
			result, _, err := within(ctx, jobs, with, New(name, with.Deadline))
			if err != nil {
				return nil, err
			}
			options = append(options, Option{Policy: name, Replicas: n, Result: result, Bound: name == "exact"})
		}
	}
	Mark(options, objective)
	return options, nil
}

// Mark finds the frontier and the cheapest that misses no more than objective
// percent; below 0 it finds none of these.
func Mark(options []Option, objective float64) {
	cheapest := -1
	for i, o := range options {
		if o.Bound {
			continue
		}
		options[i].Pareto = true
		for _, other := range options {
			if !other.Bound && other.Missed <= o.Missed && other.PerThousand <= o.PerThousand &&
				(other.Missed < o.Missed || other.PerThousand < o.PerThousand) {
				options[i].Pareto = false
			}
		}
		if o.Missed <= objective && (cheapest < 0 || o.PerThousand < options[cheapest].PerThousand) {
			cheapest = i
		}
	}
	if cheapest >= 0 {
		options[cheapest].Cheapest = true
	}
}
