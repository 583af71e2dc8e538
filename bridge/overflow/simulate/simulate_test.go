package simulate_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
)

// TestWaitsAreErlangs holds the queue against the formula of Erlang (C) for exponential
// times on 16 slots: the mean wait is C(16, load)/(16 − load).
func TestWaitsAreErlangs(t *testing.T) {
	t.Parallel()
	for load, want := range map[float64]float64{11: 0.0229, 14.4: 0.3696} {
		if got := erlangWait(16, load); math.Abs(got-want) > 0.00005 {
			t.Fatalf("formula at %v: %v", load, got)
		}
		random := rand.New(rand.NewPCG(1, 1))
		jobs := make([]simulate.Job, 400_000)
		at := 0.0
		for i := range jobs {
			at += random.ExpFloat64() / load
			jobs[i] = simulate.Job{At: at, Local: random.ExpFloat64(), Deadline: math.Inf(1)}
		}
		result := simulate.Run(jobs, simulate.Standard(4), simulate.LocalAlone)
		if got := result.MeanWait; math.Abs(got-want) > 0.05*want {
			t.Errorf("load %v: jobs wait for %.4f s on average, want %.4f", load, got, want)
		}
	}
}

func erlangWait(slots int, load float64) float64 {
	blocked := 1.0 // Erlang B, by recursion
	for k := 1; k <= slots; k++ {
		blocked = load * blocked / (float64(k) + load*blocked)
	}
	rho := load / float64(slots)
	return blocked / (1 - rho*(1-blocked)) / (float64(slots) - load)
}

// TestSizedIsAsGoodAsAgreed needs ten seeds to be exact, as in task simulate; these
// are as many as time allows.
func TestSizedIsAsGoodAsAgreed(t *testing.T) {
	t.Parallel()
	workloads := []string{"poisson", "mmpp", "flash50", "diurnal", "azcode", "azconv"} // a single seed says little of the others
	rows, err := simulate.Compare(t.Context(), simulate.Grid(workloads, []string{"threshold", "sized", "exact"}), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	verdicts := simulate.Judge(rows, "sized")
	if len(verdicts) != len(workloads) {
		t.Errorf("%d verdicts", len(verdicts))
	}
	for _, v := range verdicts {
		if !v.Met() {
			t.Errorf("%+v", v)
		}
	}
}

func TestJudgeSeesWhatIsMissed(t *testing.T) {
	row := func(policy string, missed, price float64) simulate.Row {
		return simulate.Row{Workload: "mmpp", Policy: policy, Result: simulate.Result{Missed: missed, CloudPrice: price}}
	}
	others := []simulate.Row{row("exact", 0, 1), row("threshold", 0, 1.6)}
	for name, tt := range map[string]struct {
		row simulate.Row
		met bool
	}{
		"good":                      {row("sized", 0.01, 1.35), true},
		"misses":                    {row("sized", 0.02, 1.3), false},
		"dearer than exact":         {row("sized", 0, 1.36), false},
		"no cheaper than threshold": {row("sized", 0, 1.37), false},
	} {
		if got := simulate.Judge(append(others, tt.row), "sized"); len(got) != 1 || got[0].Met() != tt.met {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestEqualSeedsGiveEqualResults, whatever runs beside.
func TestEqualSeedsGiveEqualResults(t *testing.T) {
	t.Parallel()
	cases := simulate.Grid([]string{"azcode"}, simulate.Policies)
	a, errA := simulate.Compare(t.Context(), cases, 7, 1)
	b, errB := simulate.Compare(t.Context(), cases, 7, 1)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("%+v\n%+v", a[i], b[i])
		}
	}
}

// TestServerKeepsTheMinimum has everything arrive at once, where the server's rule
// says exactly who gets what.
func TestServerKeepsTheMinimum(t *testing.T) {
	t.Parallel()
	jobs := make([]simulate.Job, 20)
	for i := range jobs {
		jobs[i] = simulate.Job{Local: 10, Cloud: 1, Deadline: 1000}
	}
	setup := simulate.Standard(1)
	setup.Slots = 4
	// 4 take slots; then each that makes the fourth to wait sends the oldest away: 3 stay.
	if got := simulate.Run(jobs, setup, simulate.By(overflow.Threshold{Pending: 3})); got.Offloaded != 65 {
		t.Errorf("%+v", got)
	}
}
