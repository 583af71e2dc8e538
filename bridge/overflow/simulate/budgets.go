package simulate

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync/atomic"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/overflow"
)

// String is the order's name.
func (o Order) String() string {
	return [...]string{"oldest", "workers", "declined", "savable", "smallest"}[o]
}

// Budgets are the limits, in USD an hour, that [CompareBudgets] tries.
var Budgets = []float64{0.05, 0.2, 1, 5}

// Arrangement is how a fleet lives with a budget.
type Arrangement struct {
	Name     string
	Order    Order
	Timeouts []float64 // of the functions; a bridge of the product knows one
	Crashing bool      // bridges die at every step, one time in 50
}

var (
	oneFunction   = []float64{900}
	fourFunctions = []float64{15, 60, 300, 900}
)

// Arrangements are those that [CompareBudgets] tries. A fleet can be told to live as in the
// first three; the others are what it is measured by.
var Arrangements = []Arrangement{
	{"plain", Oldest, oneFunction, false},
	{"product", Workers, oneFunction, false},
	{"crashing", Workers, oneFunction, true},
	{"declined", Declined, oneFunction, false},
	{"4-plain", Oldest, fourFunctions, false},
	{"4-product", Workers, fourFunctions, false},
	{"4-crashing", Workers, fourFunctions, true},
	{"4-savable", Savable, fourFunctions, false},
	{"4-smallest", Smallest, fourFunctions, false},
}

// BudgetRow is what a workload came to under a budget.
type BudgetRow struct {
	Workload    string  `json:"workload"`
	Budget      float64 `json:"budget_usd_per_h"`
	Arrangement string  `json:"arrangement"`
	Order       string  `json:"order"`
	Result
	Worst  float64  `json:"max_hour_usd_worst"` // the highest MaxHour of a seed
	Deaths [3]int64 `json:"-"`                  // of bridges, by step
}

// CompareBudgets runs the policy sized under budgets in every arrangement.
func CompareBudgets(ctx context.Context, workloads []string, first uint64, n int) ([]BudgetRow, error) {
	var cases []Case
	var rows []BudgetRow
	var deaths []*[3]atomic.Int64
	for _, w := range workloads {
		for _, usd := range Budgets {
			for _, a := range Arrangements {
				died := &[3]atomic.Int64{}
				cases = append(cases, Case{Workload: w, Policy: overflow.PolicySized, Change: func(s *Setup) { s.limit(usd, a, died) }})
				deaths = append(deaths, died)
				rows = append(rows, BudgetRow{Workload: w, Budget: usd, Arrangement: a.Name, Order: a.Order.String()})
			}
		}
	}
	results, err := Compare(ctx, cases, first, n)
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		rows[i].Result, rows[i].Worst = r.Result, r.Worst
		for step := range deaths[i] {
			rows[i].Deaths[step] = deaths[i][step].Load()
		}
	}
	return rows, nil
}

func (s *Setup) limit(usd float64, a Arrangement, died *[3]atomic.Int64) {
	s.Budget = budget.Config{Hour: usd}
	s.Timeouts, s.Order = a.Timeouts, a.Order
	if a.Crashing {
		s.Crash = func(id string, step Step) bool {
			dies := oftenDies(id, step)
			if dies {
				died[step].Add(1)
			}
			return dies
		}
	}
}

// oftenDies has a bridge die once in 50 steps, the same in every run.
func oftenDies(id string, step Step) bool {
	h := fnv.New32a()
	fmt.Fprint(h, id, step)
	return h.Sum32()%50 == 0
}

// Exceeded says what is wrong with rows: an hour that cost more than its budget, or a
// step at which no bridge has died anywhere.
func Exceeded(rows []BudgetRow) error {
	var deaths [3]int64
	for _, r := range rows {
		if r.Worst > r.Budget {
			return fmt.Errorf("%s, arrangement %s: an hour cost $%.6f, and the budget is $%g", r.Workload, r.Arrangement, r.Worst, r.Budget)
		}
		for step, n := range r.Deaths {
			deaths[step] += n
		}
	}
	for step, n := range deaths {
		if n == 0 {
			return fmt.Errorf("no bridge died %s: this shows too little", [...]string{"after it reserved", "after it invoked", "before it settled"}[step])
		}
	}
	return nil
}
