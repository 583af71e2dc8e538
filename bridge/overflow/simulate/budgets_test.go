package simulate_test

import (
	"fmt"
	"hash/fnv"
	"testing"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
)

// TestNoHourCostsMoreThanItsBudget in any order, also with a bridge that dies now
// and then, at every step. task simulate -- --budgets tries the other workloads.
func TestNoHourCostsMoreThanItsBudget(t *testing.T) {
	t.Parallel()
	w, err := simulate.Make("azcode", 3)
	if err != nil {
		t.Fatal(err)
	}
	deaths := map[simulate.Step]int{}
	for i, usd := range []float64{0.03, 0.05, 0.06, 1} {
		for _, oneIn := range []uint32{0, 1000, 30, 2} {
			setup := simulate.Standard(w.Replicas)
			setup.Budget, setup.Timeouts, setup.Order = budget.Config{Hour: usd}, []float64{15, 60}, simulate.Order(i%3)
			setup.Crash = func(id string, step simulate.Step) bool {
				h := fnv.New32a()
				fmt.Fprint(h, id, step)
				dies := oneIn > 0 && h.Sum32()%oneIn == 0 && (oneIn > 2 || step == simulate.Settling)
				if dies {
					deaths[step]++
				}
				return dies
			}
			result := simulate.Run(w.Jobs, setup, simulate.New("sized", setup.Deadline))
			if result.MaxHour > usd {
				t.Errorf("an hour cost $%v of $%v", result.MaxHour, usd)
			}
			if oneIn == 0 && usd < 0.06 && result.MaxHour < 0.6*usd {
				t.Errorf("only $%v of $%v was spent: the test asks too little", result.MaxHour, usd)
			}
		}
	}
	for _, step := range []simulate.Step{simulate.Reserving, simulate.Invoking, simulate.Settling} {
		if deaths[step] == 0 {
			t.Errorf("no bridge died at step %v", step)
		}
	}
}

// TestLateWorkDoesNotDelayTheRest: with too little money, what a fleet can be told to do
// misses far less than first come, first served, and no hour costs more than its budget.
func TestLateWorkDoesNotDelayTheRest(t *testing.T) {
	t.Parallel()
	rows, err := simulate.CompareBudgets(t.Context(), []string{"azcode"}, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := simulate.Exceeded(rows); err != nil {
		t.Error(err)
	}
	missed := map[string]float64{}
	for _, r := range rows {
		if r.Budget == 0.05 {
			missed[r.Arrangement] = r.Missed
		}
	}
	if missed["plain"] < 10 || missed["product"] > 0.75*missed["plain"] || missed["4-savable"] > 0.75*missed["4-plain"] || missed["4-smallest"] > 0.8*missed["4-savable"] {
		t.Errorf("%v", missed)
	}
}

func TestExceededSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	row := func(worst float64, deaths [3]int64) simulate.BudgetRow {
		return simulate.BudgetRow{Budget: 1, Worst: worst, Deaths: deaths}
	}
	for name, tt := range map[string]struct {
		rows []simulate.BudgetRow
		good bool
	}{
		"kept":              {[]simulate.BudgetRow{row(1, [3]int64{1, 0, 1}), row(0.5, [3]int64{0, 1, 0})}, true},
		"one hour too dear": {[]simulate.BudgetRow{row(1, [3]int64{1, 1, 1}), row(1.0001, [3]int64{1, 1, 1})}, false},
		"nobody died":       {[]simulate.BudgetRow{row(1, [3]int64{1, 0, 1})}, false},
	} {
		if err := simulate.Exceeded(tt.rows); (err == nil) != tt.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
