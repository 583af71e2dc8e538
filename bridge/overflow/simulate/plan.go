package simulate

import "context"

// Option is what a policy with so many replicas would have come to.
type Option struct {
	Policy   string `json:"policy"`
	Replicas int    `json:"replicas"`
	Result
	Pareto   bool `json:"pareto"`   // no other misses no more for less money
	Cheapest bool `json:"cheapest"` // of those that keep the objective
	Bound    bool `json:"bound"`    // nobody can know what this needs to know: it bounds the others from below
}

// Plan runs every policy with every number of replicas over jobs. objective is how
// many percent may be late.
func Plan(ctx context.Context, jobs []Job, setup Setup, policies []string, replicas []int, objective float64) ([]Option, error) {
	var options []Option
	for _, n := range replicas {
		for _, name := range policies {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			with := setup
			with.Replicas = n
			if n == 0 && name == LocalAlone.Name() {
				continue // nothing would ever end
			}
			options = append(options, Option{Policy: name, Replicas: n, Result: Run(jobs, with, New(name, with.Deadline)), Bound: name == "exact"})
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
