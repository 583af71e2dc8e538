package simulate

// Acceptance is what a policy with a deadline must reach on a workload, on
// average over ten seeds: misses in percent, and the Lambda's cost as a multiple of what
// exact knowledge and the threshold cost; 0 is no such bound.
type Acceptance struct {
	Workload             string
	Missed               float64
	OfExact, OfThreshold float64
}

// Accepted is what was agreed on.
var Accepted = []Acceptance{
	{"poisson", 0.01, 0, 0.05},
	{"mmpp", 0.01, 1.35, 0.85},
	{"flash50", 0.01, 1.06, 1.00},
	{"diurnal", 0.01, 1.15, 0.55},
	{"huge", 0.01, 0, 0.20},
	{"drift", 0.02, 1.40, 0.87},
	{"azcode", 0.01, 1.35, 0.70},
	{"azconv", 0.01, 1.50, 0.20},
}

// Verdict is what a policy reached.
type Verdict struct {
	Acceptance
	HasMissed              float64
	HasExact, HasThreshold float64 // multiples
}

// Met says whether it reached everything.
func (v Verdict) Met() bool {
	return v.HasMissed <= v.Missed && v.HasThreshold <= v.OfThreshold && (v.OfExact == 0 || v.HasExact <= v.OfExact)
}

// Judge holds what rows say of policy against what was agreed on; workloads without
// the rows for it are left out.
func Judge(rows []Row, policy string) []Verdict {
	price := map[[2]string]Result{}
	for _, r := range rows {
		price[[2]string{r.Workload, r.Policy}] = r.Result
	}
	var verdicts []Verdict
	for _, a := range Accepted {
		own, ok1 := price[[2]string{a.Workload, policy}]
		exact, ok2 := price[[2]string{a.Workload, "exact"}]
		threshold, ok3 := price[[2]string{a.Workload, "threshold"}]
		if !ok1 || !ok2 || !ok3 {
			continue
		}
		v := Verdict{Acceptance: a, HasMissed: own.Missed, HasExact: own.CloudPrice / exact.CloudPrice, HasThreshold: own.CloudPrice / threshold.CloudPrice}
		verdicts = append(verdicts, v)
	}
	return verdicts
}
