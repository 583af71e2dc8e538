package simulate_test

import (
	"fmt"
	"testing"

	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
)

// TestJobsAreTheSameEverywhere holds the first jobs of each workload against what
// another implementation of the package comment has made.
func TestJobsAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	bursts := [2]string{"0.058664, 6.085678, 0.497237", "0.309361, 4.086905, 0.289654"}
	want := map[string][2]string{ // t, MB, S
		"poisson": {"0.051652, 6.085678, 0.497237", "0.165605, 2.238286, 0.206008"},
		"mmpp":    bursts,
		"drift":   bursts,
		"flash50": {"0.298577, 2.802401, 0.361537", "0.337656, 23.794537, 0.975763"},
		"diurnal": {"0.030182, 9.053493, 0.536045", "0.115716, 17.278725, 1.137752"},
		"huge":    {"0.063130, 6.085678, 0.564812", "0.088761, 2.522147, 0.377940"},
		"azcode":  {"0.000000, 30.050000, 1.613850", "0.052000, 19.875000, 1.177068"},
		"azconv":  {"0.000000, 4.675000, 0.411165", "4.315000, 4.950000, 0.441247"},
	}
	for _, name := range simulate.Workloads {
		w, err := simulate.Make(name, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range want[name] {
			if got := fmt.Sprintf("%.6f, %.6f, %.6f", w.Jobs[i].At, w.Jobs[i].MB, w.Jobs[i].Local); got != want {
				t.Errorf("%s, job %d: %s, want %s", name, i+1, got, want)
			}
		}
		t.Logf("%-8s %6d jobs", name, len(w.Jobs))
	}
}
