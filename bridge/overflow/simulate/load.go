package simulate

import "math"

// load measures how busy slots are, as a host's CPU is measured: at every full
// second, over the last five.
type load struct {
	asOf    float64
	total   float64 // slot seconds
	samples [6]float64
	second  int
}

// until adds the time from the last call to now, in which so many slots were busy.
func (l *load) until(now float64, busy int) {
	for next := float64(l.second + 1); next <= now; next++ {
		l.add(next, busy)
		l.second++
		l.samples[l.second%len(l.samples)] = l.total
	}
	l.add(now, busy)
}

func (l *load) add(to float64, busy int) {
	l.total += (to - l.asOf) * float64(busy)
	l.asOf = to
}

// percent is the average of the last five full seconds.
func (l *load) percent(slots int) float64 {
	seconds := math.Min(5, float64(l.second))
	if seconds == 0 || slots == 0 {
		return 0
	}
	used := l.samples[l.second%len(l.samples)] - l.samples[(l.second+1)%len(l.samples)]
	return 100 * used / seconds / float64(slots)
}
