package overflow

import (
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

// Quantile learns what 95 % of the values stay under. A value above moves it up
// by 0.95 of a step, one below down by 0.05: it stays where one in twenty is above
// (Robbins and Monro's approximation). The nth step is max(0.008, 1/(n+20)) of the
// average value, so that it fits what takes minutes too, and finds it soon: 20 ms in
// the end where the average is 2.5 s. Longer steps learn sooner that sizes have changed,
// and cost slack more where they have not. Its zero value is ready and begins at 2 s; it
// can be stored as JSON and learn on.
type Quantile struct {
	Average Mean    `json:"average"`
	Seconds float64 `json:"seconds"`
}

const (
	quantile  = 0.95
	leastStep = 0.008 // of the average
)

// Observe learns from one value.
func (q *Quantile) Observe(d time.Duration) {
	value, above := q.Value(), 0.0
	q.Average.Observe(d)
	if d > value {
		above = 1
	}
	step := q.Average.Seconds * max(leastStep, 1/float64(q.Average.N+20))
	q.Seconds = max(0, value.Seconds()+step*(above-1+quantile))
}

// Value is the estimate.
func (q Quantile) Value() time.Duration {
	if q.Average.N == 0 {
		return priorCloud
	}
	return seconds(q.Seconds)
}

// longest is more than any run takes.
const longest = 24 * 3600 // seconds

// Valid reports whether q can have been learned, or is the zero value: it may come from outside.
func (q Quantile) Valid() bool {
	within := func(s float64) bool { return s >= 0 && s <= longest }
	return q.Average.N >= 0 && within(q.Average.Seconds) && within(q.Seconds) && (q.Average.N == 0 || q.Average.Seconds > 0)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
