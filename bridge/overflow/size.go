package overflow

import "time"

// BySize learns what a run takes by the size of its files: a fixed part and a part
// for each megabyte, and how far above that 95 % of the runs stay. The line is a least
// squares fit in which errors count in proportion to the run, and old runs less
// and less (0.5 % less with each new one). Its zero value is ready; it can be stored
// as JSON and learn on.
type BySize struct {
	N     int      `json:"n"`
	W     float64  `json:"w"` // sums of weights and of weighted values
	X     float64  `json:"x"`
	Y     float64  `json:"y"`
	XX    float64  `json:"xx"`
	XY    float64  `json:"xy"`
	Above Quantile `json:"above"` // of run ÷ line, as seconds
}

const (
	forget   = 0.995
	megabyte = 1e6
	// enough runs to draw a line.
	enough = 20
)

// Observe learns from one run over so many bytes.
func (b *BySize) Observe(bytes int64, d time.Duration) {
	x, y := float64(bytes)/megabyte, d.Seconds()
	if y <= 0 {
		return
	}
	if b.N == enough {
		b.Above = Quantile{Average: Mean{N: 40, Seconds: 1}, Seconds: 1.5}
	}
	if b.N >= enough { // the line means something
		b.Above.Observe(seconds(y / b.line(x)))
	}
	weight := 1 / (y * y)
	b.W = forget*b.W + weight
	b.X = forget*b.X + weight*x
	b.Y = forget*b.Y + weight*y
	b.XX = forget*b.XX + weight*x*x
	b.XY = forget*b.XY + weight*x*y
	b.N++
}

// Within is what 95 % of the runs over so many bytes stay under; 0 when too few were
// seen to say.
func (b BySize) Within(bytes int64) time.Duration {
	if b.N < enough {
		return 0
	}
	return seconds(min(longest, b.line(float64(bytes)/megabyte)*b.Above.Value().Seconds()))
}

// Valid reports whether b can have been learned, or is the zero value: it may come from outside.
func (b BySize) Valid() bool {
	const most = 1e30
	for _, sum := range []float64{b.W, b.X, b.Y, b.XX, b.XY} {
		if !(sum >= 0 && sum <= most) {
			return false
		}
	}
	return b.N >= 0 && (b.N == 0) == (b.W < 1e-12) && b.Above.Valid()
}

// line is the fit at x megabytes; never below a tenth of the average run.
func (b BySize) line(x float64) float64 {
	meanX, meanY := b.X/b.W, b.Y/b.W
	slope := 0.0
	if spread := b.XX/b.W - meanX*meanX; spread > 1e-9*b.XX/b.W {
		slope = max(0, (b.XY/b.W-meanX*meanY)/spread)
	}
	return max(meanY+slope*(x-meanX), meanY/10)
}
