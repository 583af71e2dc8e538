package frontier

import (
	"math"
	"strconv"

	"github.com/go-analyze/charts/chartdraw"
)

const unit = 0.1 // of the horizontal axis

// place is where x is on the horizontal axis.
func place(x float64) float64 { return math.Log10(1 + x/unit) }

// xTicks are 0 and 1, 3, 10, 30… tenths, up to the first that nothing exceeds.
func (c Chart) xTicks() []chartdraw.Tick {
	most := max(unit, c.Objective)
	for _, p := range c.Points {
		most = max(most, p.X)
	}
	ticks := []chartdraw.Tick{{Label: "0"}}
	for decade := unit; ; decade *= 10 {
		for _, v := range []float64{decade, 3 * decade} {
			ticks = append(ticks, chartdraw.Tick{Value: place(v), Label: strconv.FormatFloat(v, 'g', 3, 64)})
			if v >= most*(1-1e-9) || math.IsInf(v, 1) {
				return ticks
			}
		}
	}
}

// costTicks are five to ten round steps from 0.
func (c Chart) costTicks() []chartdraw.Tick {
	most := 0.0
	for _, p := range c.Points {
		most = max(most, p.Cost)
	}
	if most == 0 {
		most = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most/5)))
	for _, times := range []float64{5, 2} {
		if step*times*5 <= most {
			step *= times
			break
		}
	}
	var ticks []chartdraw.Tick
	for i := 0; ; i++ {
		v := float64(i) * step
		ticks = append(ticks, chartdraw.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 4, 64)})
		if v >= most {
			return ticks
		}
	}
}
