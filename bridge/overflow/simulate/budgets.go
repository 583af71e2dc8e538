package simulate

import (
	"context"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/overflow"
)

// String is the order's name.
func (o Order) String() string { return [...]string{"oldest", "savable", "smallest"}[o] }

// Budgets are the limits, in USD an hour, that [CompareBudgets] tries.
var Budgets = []float64{0.05, 0.2, 1, 5}

// BudgetRow is what a workload came to under a budget.
type BudgetRow struct {
	Workload string  `json:"workload"`
	Budget   float64 `json:"budget_usd_per_h"`
	Order    string  `json:"order"`
	Result
	Worst float64 `json:"max_hour_usd_worst"`
}

// CompareBudgets runs the policy sized under budgets in every order, with functions
// of 15, 60, 300 and 900 seconds, so that a small file reserves little.
func CompareBudgets(ctx context.Context, workloads []string, first uint64, n int) ([]BudgetRow, error) {
	var cases []Case
	var rows []BudgetRow
	for _, w := range workloads {
		for _, usd := range Budgets {
			for order := Oldest; order <= Smallest; order++ {
				cases = append(cases, Case{Workload: w, Policy: overflow.PolicySized, Change: func(s *Setup) { s.limit(usd, order) }})
				rows = append(rows, BudgetRow{Workload: w, Budget: usd, Order: order.String()})
			}
		}
	}
	results, err := Compare(ctx, cases, first, n)
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		rows[i].Result, rows[i].Worst = r.Result, r.Worst
	}
	return rows, nil
}

func (s *Setup) limit(usd float64, order Order) {
	s.Budget = budget.Config{Hour: usd}
	s.Timeouts = []float64{15, 60, 300, 900}
	s.Order = order
}
