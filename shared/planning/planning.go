// Package planning is what is asked and told about plans: what past executions would
// have cost and missed under other policies and with other numbers of workers.
//
// Who asks, the command and the console, and who simulates are different services;
// these are the words between them.
package planning

import (
	"context"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeNoHistory says that there is nothing to plan from.
const CodeNoHistory fault.Code = "PLAN_NO_HISTORY"

// Planner answers a question about past executions. It ends with ctx.
type Planner func(ctx context.Context, past []Past, q Question) (Answer, error)

// Past is an execution that has ended.
type Past struct {
	Enqueued, Started, Finished time.Time
	Lambda                      bool
	Init                        time.Duration // of a cold start; 0 was warm, or isn't known
	Bytes                       int64         // of its files; 0 when unknown
}

// Question is what to try. Prices are in USD. All of it must be valid: counts and the
// memory above 0, prices not below.
type Question struct {
	Deadline    time.Duration // from the acceptance of an execution to its end
	LatePercent float64       // how many may take longer
	Replicas    []int         // numbers of workers
	Slots       int           // of a worker
	ReplicaUSD  float64       // of a worker's hour
	MemoryMB    float64       // of the Lambda
	GBSecondUSD float64
	RequestUSD  float64
	Concurrency int     // environments at once
	BudgetUSD   float64 // of the Lambda in an hour; 0 is no limit
	Policy      string  // that was in force, to measure the simulation by
	Now         int     // how many workers there were
}

// Answer is what would have come of each policy with each number of workers.
type Answer struct {
	Options     []Option `json:"options"`
	Assumed     Assumed  `json:"assumed"`
	Observed    Result   `json:"observed"`
	Replay      Result   `json:"replay"` // of the policy that was in force: how far the simulation is off
	ReplayOf    string   `json:"replay_of"`
	ReplayWith  int      `json:"replay_replicas"`
	Deadline    float64  `json:"deadline_s"`
	LatePercent float64  `json:"late_pct"`
}

// Cheapest is the option that keeps the objective for the least money, if any does.
func (a Answer) Cheapest() (Option, bool) {
	for _, o := range a.Options {
		if o.Cheapest {
			return o, true
		}
	}
	return Option{}, false
}

// Option is what a policy with so many replicas would have come to.
type Option struct {
	Policy   string `json:"policy"`
	Replicas int    `json:"replicas"`
	Result
	Pareto   bool `json:"pareto"`   // no other misses no more for less money
	Cheapest bool `json:"cheapest"` // of those that keep the objective
	Bound    bool `json:"bound"`    // nobody can know what this needs to know: it bounds the others from below
}

// Assumed is what history doesn't tell and was made of it.
type Assumed struct {
	Jobs         int     `json:"jobs"`
	CloudToLocal float64 `json:"cloud_to_local"` // how many times as long as a worker the Lambda takes
	RatioSeen    bool    `json:"ratio_seen"`     // both were seen; otherwise it is taken to be 1.3
	ColdStart    float64 `json:"cold_start_s"`   // of each
	ColdSeen     bool    `json:"cold_seen"`      // otherwise it is taken to be 0.8 s
	Span         float64 `json:"span_s"`         // from the first arrival to the last end
	Negative     int     `json:"left_out"`       // executions whose times make no sense
	Sized        int     `json:"sized"`          // of the jobs, how many have a known size
}

// Result is what a fleet did, and what it cost.
type Result struct {
	Jobs        int     `json:"jobs"`
	Missed      float64 `json:"miss_pct"`           // ended after their deadline
	CloudPrice  float64 `json:"lambda_usd_per_h"`   // of the cloud
	PerThousand float64 `json:"total_usd_per_1000"` // replicas and cloud, of 1,000 jobs
	Mean        float64 `json:"mean_s"`             // from arrival to end
	MeanWait    float64 `json:"mean_wait_s"`        // from arrival to begin
	P50         float64 `json:"p50_s"`
	P99         float64 `json:"p99_s"`
	Offloaded   float64 `json:"offload_pct"`
	MaxHour     float64 `json:"max_hour_usd"` // what the most expensive hour of the cloud cost
	Idle        float64 `json:"idle_pct"`     // of the slots' time
	Peak        int     `json:"peak_concurrency"`
	Colds       int     `json:"cold_starts"`
}
