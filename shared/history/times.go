package history

import (
	"math"
	"time"
)

// Times counts durations in classes that are 1 % wide, so that any number of them
// takes little memory.
type Times struct {
	n       int
	classes []int
}

const width = 1.01

func (t *Times) add(d time.Duration) {
	class := 0
	if d > time.Microsecond {
		class = 1 + int(math.Log(float64(d)/float64(time.Microsecond))/math.Log(width))
	}
	for len(t.classes) <= class {
		t.classes = append(t.classes, 0)
	}
	t.classes[class]++
	t.n++
}

// Percentile returns the p-th percentile (0–100), within 1 %.
func (t *Times) Percentile(p float64) time.Duration {
	rank := min(int(float64(t.n)*p/100), t.n-1)
	for class, n := range t.classes {
		if rank -= n; rank < 0 && n > 0 {
			if class == 0 {
				return 0
			}
			return time.Duration(float64(time.Microsecond) * math.Pow(width, float64(class)-0.5))
		}
	}
	return 0
}

// Percentile returns the p-th percentile (0–100) of sorted durations.
func Percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(float64(len(sorted))*p/100), len(sorted)-1)]
}
