package simulate_test

import (
	"math"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
)

// TestAReplayComesToWhatHappened: what the simulator did is taken for history, and
// its replay under the same policy must come to nearly the same.
func TestAReplayComesToWhatHappened(t *testing.T) {
	t.Parallel()
	w, err := simulate.Make("azconv", 5)
	if err != nil {
		t.Fatal(err)
	}
	jobs := w.Jobs[:5000]
	setup := simulate.Standard(w.Replicas)
	setup.Deadline = 15
	did, ends := simulate.Ends(jobs, setup, simulate.New("threshold", 15))
	begin := time.Unix(1_700_000_000, 0)
	var past []simulate.Past
	for i, e := range ends {
		at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
		past = append(past, simulate.Past{Enqueued: at(jobs[i].At), Started: at(e.Begun), Finished: at(e.Ended), Lambda: e.Cloud})
	}
	past = append(past, simulate.Past{Enqueued: begin, Started: begin.Add(-time.Second), Finished: begin})
	again, assumed := simulate.FromPast(past, 15*time.Second)
	if assumed.Jobs != len(jobs) || assumed.Negative != 1 || !assumed.RatioSeen {
		t.Errorf("%+v", assumed)
	}
	replay := simulate.Run(again, setup, simulate.New("threshold", 15))
	observed := simulate.Observed(past[:len(jobs)], 15*time.Second)
	if math.Abs(observed.P50-did.P50) > 1e-6 || math.Abs(observed.Offloaded-did.Offloaded) > 1e-6 {
		t.Errorf("observed %+v, did %+v", observed, did)
	}
	if math.Abs(replay.P50-observed.P50) > 0.1*observed.P50 || math.Abs(replay.Offloaded-observed.Offloaded) > 2 {
		t.Errorf("replay: p50 %.3f s, %.1f %% offloaded; it was %.3f, %.1f", replay.P50, replay.Offloaded, observed.P50, observed.Offloaded)
	}
}

func TestPlanMarksWhatIsWorthIt(t *testing.T) {
	t.Parallel()
	w, err := simulate.Make("azcode", 5)
	if err != nil {
		t.Fatal(err)
	}
	options, err := simulate.Plan(t.Context(), w.Jobs, simulate.Standard(1), []string{"threshold", "sized", "local", "exact"}, []int{1, 4}, 1)
	if err != nil {
		t.Fatal(err)
	}
	cheapest := 0
	for _, o := range options {
		if o.Cheapest {
			cheapest++
			if o.Missed > 1 || o.Bound || !o.Pareto {
				t.Errorf("cheapest %+v", o)
			}
		}
		if o.Bound != (o.Policy == "exact") || o.Bound && o.Pareto {
			t.Errorf("%+v", o)
		}
		for _, other := range options {
			if o.Pareto && !other.Bound && other.Missed < o.Missed && other.PerThousand < o.PerThousand {
				t.Errorf("%+v beats %+v", other, o)
			}
		}
	}
	if cheapest != 1 {
		t.Errorf("%d are cheapest", cheapest)
	}
}
