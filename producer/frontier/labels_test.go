package frontier

import (
	"testing"

	"github.com/go-analyze/charts/chartdraw"
)

var canvas = chartdraw.Box{Left: 50, Top: 50, Right: 600, Bottom: 400}

func TestLabelsCoverNothing(t *testing.T) {
	t.Parallel()
	var dots []dot
	for i := range 12 {
		dots = append(dots, dot{x: 50 + i%3*20, y: 390 - i/3*20, label: "threshold"})
	}
	placed := labels(dots, canvas)
	if len(placed) < 4 {
		t.Errorf("only %d labels of %d", len(placed), len(dots))
	}
	for i, a := range placed {
		for _, b := range placed[:i] {
			if overlap(a.box, b.box) {
				t.Errorf("%v covers %v", a, b)
			}
		}
		for _, d := range dots {
			if overlap(a.box, chartdraw.Box{Left: d.x - 4, Right: d.x + 4, Top: d.y - 4, Bottom: d.y + 4}) {
				t.Errorf("%v covers the point %v", a, d)
			}
		}
	}
}

func TestDotsInOnePlaceShareALabel(t *testing.T) {
	t.Parallel()
	placed := labels([]dot{{100, 100, "slack"}, {101, 100, "sized"}, {100, 102, "slack"}, {300, 100, "local"}}, canvas)
	if len(placed) != 2 || placed[0].text != "slack, sized" || placed[1].text != "local" {
		t.Errorf("%v", placed)
	}
}
