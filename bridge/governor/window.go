package governor

import (
	"math"
	"time"
)

// window is how many invocations may be under way: it grows while Lambda takes them
// and shrinks when one is throttled.
//
// The first time it doubles, as TCP does, because nothing is known. After a throttle
// it grows by one with each round of invocations, and by no more than one in
// growthRound of them: each time that it grows past what Lambda has, one is
// throttled, and with a small window rounds are short.
type window struct {
	ceiling   float64 // what is configured
	share     float64 // of the ceiling, 0 to 1
	size      float64
	found     bool      // the ceiling that Lambda has was found
	decreased time.Time // what had begun by then tells nothing new
}

const (
	decrease    = 0.75
	growthRound = 20
)

func newWindow(ceiling, start int) window {
	if start == 0 {
		start = ceiling
	}
	return window{ceiling: float64(ceiling), share: 1, size: float64(min(start, ceiling))}
}

// limit is the window in whole invocations; with any share at all it is 1 or more.
func (w *window) limit() int {
	if w.share <= 0 {
		return 0
	}
	return max(1, int(math.Min(w.size, w.ceiling*w.share)))
}

// grow grows the window by what one admitted invocation shows. One that came when the
// window was far from full shows nothing.
func (w *window) grow(underWay, admitted int) {
	switch {
	case 2*underWay < w.limit():
		return
	case w.found:
		w.size += math.Min(1/w.size, 1.0/growthRound)
	default:
		w.size = math.Max(w.size+1, float64(2*admitted))
	}
	w.size = math.Min(w.size, w.ceiling)
}

// throttled shrinks the window for an invocation that had begun at the time given,
// beside others: by a quarter, once for all those that were under way together, and
// to what was under way beside it, since Lambda has no more.
func (w *window) throttled(begun, now time.Time, beside int) {
	w.found = true
	size := math.Min(w.size, math.Max(1, w.ceiling*w.share)) // what the share hid was never tried
	if begun.After(w.decreased) {
		w.decreased = now
		size *= decrease
	}
	w.size = math.Max(1, math.Min(size, float64(beside)))
}
