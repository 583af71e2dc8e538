package simulate

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/bridge/overflow"
)

// Policies are what a comparison runs, by name, with the parameters that are a
// bridge's defaults.
var Policies = []string{overflow.PolicyThreshold, overflow.PolicySlack, overflow.PolicySized, "exact", "local", "lambda"}

// New returns the policy of that name for one run; deadline in seconds.
func New(name string, deadline float64) Policy {
	switch name {
	case "exact":
		return Exact()
	case "local":
		return LocalAlone
	case "lambda":
		return CloudAlone
	}
	return By(overflow.New(overflow.Config{Policy: name, Pending: 3, CPU: 80, Deadline: duration(deadline), Margin: duration(0.5)}))
}

// Row is what a policy made of a workload, on average over seeds.
type Row struct {
	Workload string `json:"workload"`
	Policy   string `json:"policy"`
	Result
	Worst float64 `json:"max_hour_usd_worst"` // the highest MaxHour of a seed
}

// Case is one combination to run.
type Case struct {
	Workload, Policy string
	Change           func(*Setup) // of the standard setup; nil is none
}

// Compare runs each case with n seeds from first on, several at once, and returns
// a row for each, in order.
func Compare(ctx context.Context, cases []Case, first uint64, n int) ([]Row, error) {
	results := make([][]Result, len(cases))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, c := range cases {
		results[i] = make([]Result, n)
		for k := range n {
			group.Go(func() error {
				w, err := Make(c.Workload, first+uint64(k))
				if err != nil || groupCtx.Err() != nil {
					return err
				}
				setup := Standard(w.Replicas)
				if c.Change != nil {
					c.Change(&setup)
				}
				results[i][k] = Run(w.Jobs, setup, New(c.Policy, setup.Deadline))
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	rows := make([]Row, len(cases))
	for i, c := range cases {
		rows[i] = Row{Workload: c.Workload, Policy: c.Policy, Result: mean(results[i])}
		for _, r := range results[i] {
			rows[i].Worst = max(rows[i].Worst, r.MaxHour)
		}
	}
	return rows, ctx.Err()
}

// Grid is every policy on every workload.
func Grid(workloads, policies []string) []Case {
	var cases []Case
	for _, w := range workloads {
		for _, p := range policies {
			cases = append(cases, Case{Workload: w, Policy: p})
		}
	}
	return cases
}

// mean averages results; the peak is the highest.
func mean(results []Result) Result {
	var m Result
	for _, r := range results {
		m.Jobs += r.Jobs
		m.Missed += r.Missed
		m.CloudPrice += r.CloudPrice
		m.PerThousand += r.PerThousand
		m.Mean += r.Mean
		m.MeanWait += r.MeanWait
		m.P50 += r.P50
		m.P99 += r.P99
		m.Offloaded += r.Offloaded
		m.Idle += r.Idle
		m.Colds += r.Colds
		m.MaxHour += r.MaxHour
		m.Peak = max(m.Peak, r.Peak)
	}
	n := float64(len(results))
	for _, v := range []*float64{&m.Missed, &m.CloudPrice, &m.PerThousand, &m.Mean, &m.MeanWait, &m.P50, &m.P99, &m.Offloaded, &m.Idle, &m.MaxHour} {
		*v /= n
	}
	m.Jobs /= len(results)
	m.Colds /= len(results)
	return m
}
