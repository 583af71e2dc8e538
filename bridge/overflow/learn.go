package overflow

import (
	"math"
	"time"
)

// Mean learns what executions take, on average, and forgets slowly: with each
// value the new one weighs max(0.02, 1/(n+5)), which begins with a few values'
// trust in the prior of 1.5 s and ends with about the last fifty. Its zero value is
// ready, and it can be stored as JSON and learn on.
type Mean struct {
	N       int     `json:"n"`       // values seen
	Seconds float64 `json:"seconds"` // the average; the prior until N > 0
}

// Observe learns from one execution.
func (m *Mean) Observe(d time.Duration) {
	value := m.Value().Seconds()
	weight := max(0.02, 1/float64(m.N+5))
	m.Seconds = value + weight*(d.Seconds()-value)
	m.N++
}

// Value is the average.
func (m Mean) Value() time.Duration {
	if m.N == 0 {
		return priorService
	}
	return seconds(m.Seconds)
}

// Quantile learns what 95 % of the values stay under. Each value above moves it
// up by 0.02·0.95 of itself, each below down by 0.02·0.05: it stays where one in
// twenty is above. (Robbins and Monro's approximation, of the logarithm, so that
// the step fits milliseconds and minutes alike.) Its zero value is ready and
// begins at 2 s; it can be stored as JSON and learn on.
type Quantile struct {
	N       int     `json:"n"`
	Seconds float64 `json:"seconds"`
}

const (
	quantile     = 0.95
	quantileStep = 0.02
)

// Observe learns from one value.
func (q *Quantile) Observe(d time.Duration) {
	value := q.Value().Seconds()
	if d.Seconds() > value {
		value *= math.Exp(quantileStep * quantile)
	} else {
		value *= math.Exp(-quantileStep * (1 - quantile))
	}
	q.Seconds = value
	q.N++
}

// Value is the estimate.
func (q Quantile) Value() time.Duration {
	if q.N == 0 {
		return priorCloud
	}
	return seconds(q.Seconds)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
