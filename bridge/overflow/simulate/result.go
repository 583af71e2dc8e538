package simulate

import (
	"slices"

	"github.com/sagefleet/sagefleet/shared/planning"
)

// Result is what a fleet did, and what it cost.
type Result = planning.Result

func (r *run) result() Result {
	result := Result{Jobs: len(r.jobs), Peak: r.cloud.peak, Colds: r.cloud.colds, MaxHour: mostInAnHour(r.spent)}
	if result.Jobs == 0 {
		return result
	}
	n := float64(len(r.jobs))
	took := make([]float64, len(r.jobs))
	var missed, offloaded, sum, waited float64
	for i, end := range r.ends {
		took[i] = end.Ended - r.jobs[i].At
		sum += took[i]
		waited += end.Begun - r.jobs[i].At
		if end.Ended > r.jobs[i].Deadline {
			missed++
		}
		if end.Cloud {
			offloaded++
		}
	}
	slices.Sort(took)
	var usd float64
	for _, s := range r.spent {
		usd += s.usd
	}
	hours := r.setup.Span / horizon
	result.Missed, result.Offloaded = 100*missed/n, 100*offloaded/n
	result.CloudPrice = usd / hours
	result.PerThousand = (usd + float64(r.setup.Replicas)*r.setup.ReplicaPrice*hours) / n * 1000
	result.MeanWait = waited / n
	result.Mean, result.P50, result.P99 = sum/n, quantile(took, 0.5), quantile(took, 0.99)
	if slots := float64(r.setup.Replicas * r.setup.Slots); slots > 0 {
		result.Idle = max(0, 100*(1-r.load.total/(slots*r.setup.Span)))
	}
	return result
}

// quantile is the nearest rank of sorted values.
func quantile(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// mostInAnHour is the most that any hour cost, whether costs are dated by the
// begin of an invocation or by its end.
func mostInAnHour(spent []spend) float64 {
	most := 0.0
	for _, date := range []func(spend) float64{func(s spend) float64 { return s.begun }, func(s spend) float64 { return s.ended }} {
		slices.SortFunc(spent, func(a, b spend) int {
			switch {
			case date(a) < date(b):
				return -1
			case date(a) > date(b):
				return 1
			}
			return 0
		})
		sum, from := 0.0, 0
		for _, s := range spent {
			for sum += s.usd; date(s)-date(spent[from]) > horizon; from++ {
				sum -= spent[from].usd
			}
			most = max(most, sum)
		}
	}
	return most
}
