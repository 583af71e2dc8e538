package simulate

import (
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/shared/planning"
)

// Past is an execution that has ended.
type Past = planning.Past

// Assumed is what history doesn't tell and [FromPast] made of it.
type Assumed = planning.Assumed

// FromPast makes jobs of executions: they arrive as they did, and take a worker or
// the Lambda what they took. What one took is taken for the other times the ratio of
// their medians. deadline is from arrival to end.
func FromPast(past []Past, deadline time.Duration) ([]Job, Assumed) {
	var local, cloud, colds []float64
	kept := make([]Past, 0, len(past))
	var a Assumed
	for _, p := range past {
		took := p.Finished.Sub(p.Started).Seconds()
		if p.Enqueued.IsZero() || took <= 0 || p.Started.Before(p.Enqueued) {
			a.Negative++
			continue
		}
		kept = append(kept, p)
		switch {
		case !p.Lambda:
			local = append(local, took)
		default:
			cloud = append(cloud, max(0, took-p.Init.Seconds()))
			if p.Init > 0 {
				colds = append(colds, p.Init.Seconds())
			}
		}
	}
	a.Jobs, a.CloudToLocal, a.ColdStart = len(kept), 1.3, 0.8
	if l, c := median(local), median(cloud); l > 0 && c > 0 {
		a.CloudToLocal, a.RatioSeen = c/l, true
	}
	if len(colds) > 0 {
		a.ColdStart, a.ColdSeen = median(colds), true
	}
	slices.SortFunc(kept, func(x, y Past) int { return x.Enqueued.Compare(y.Enqueued) })
	jobs := make([]Job, len(kept))
	for i, p := range kept {
		at := p.Enqueued.Sub(kept[0].Enqueued).Seconds()
		took := p.Finished.Sub(p.Started).Seconds()
		j := Job{At: at, MB: float64(p.Bytes) / 1e6, Local: took, Cloud: took * a.CloudToLocal, Cold: a.ColdStart, Deadline: at + deadline.Seconds()}
		if p.Lambda {
			j.Cloud = max(0.001, took-p.Init.Seconds())
			j.Local = j.Cloud / a.CloudToLocal
		}
		j.Expected = j.Local
		a.Span = max(a.Span, p.Finished.Sub(kept[0].Enqueued).Seconds())
		if p.Bytes > 0 {
			a.Sized++
		}
		jobs[i] = j
	}
	return jobs, a
}

// Observed is what really came of past executions, as far as it can be told.
func Observed(past []Past, deadline time.Duration) Result {
	var r Result
	var took []float64
	var missed, offloaded, sum float64
	for _, p := range past {
		took = append(took, p.Finished.Sub(p.Enqueued).Seconds())
		sum += took[len(took)-1]
		if p.Finished.Sub(p.Enqueued) > deadline {
			missed++
		}
		if p.Lambda {
			offloaded++
		}
	}
	r.Jobs = len(past)
	if r.Jobs == 0 {
		return r
	}
	slices.Sort(took)
	n := float64(r.Jobs)
	r.Missed, r.Offloaded, r.Mean = 100*missed/n, 100*offloaded/n, sum/n
	r.P50, r.P99 = quantile(took, 0.5), quantile(took, 0.99)
	return r
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return quantile(sorted, 0.5)
}
