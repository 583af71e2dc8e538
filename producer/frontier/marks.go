package frontier

import (
	"slices"

	"github.com/go-analyze/charts/chartdraw"
)

const (
	keysPerLine = 5
	keyWidth    = 122
	keyHeight   = 22
	keyTop      = 58 // of the plot, without any line of the key
)

var (
	dotted = []float64{2, 4}
	dashed = []float64{6, 4}
)

// entry is one of the key.
type entry struct {
	text   string
	class  string
	radius float64   // of a circle; 0 is a line
	dashes []float64 // of a line
}

// entries are what the picture has.
func (c Chart) entries(names []string) []entry {
	var all []entry
	words := c.Words.orEnglish()
	for i, name := range names {
		all = append(all, entry{text: name, class: "key " + colour(i), radius: 5})
	}
	if several(c.Points, func(p Point) bool { return p.Pareto }) {
		all = append(all, entry{text: words.Frontier, class: "pareto"})
	}
	if several(c.Points, func(p Point) bool { return p.Bound }) {
		all = append(all, entry{text: words.Bound, class: "bound", dashes: dotted})
	}
	if c.Objective > 0 {
		all = append(all, entry{text: words.Objective, class: "objective", dashes: dashed})
	}
	if slices.ContainsFunc(c.Points, func(p Point) bool { return p.Cheapest }) {
		all = append(all, entry{text: words.Cheapest, class: "ring", radius: 6})
	}
	return all
}

// several says whether there are enough for a line.
func several(points []Point, has func(Point) bool) bool {
	first := slices.IndexFunc(points, has)
	return first >= 0 && slices.ContainsFunc(points[first+1:], has)
}

func lines(entries []entry) int { return (len(entries) + keysPerLine - 1) / keysPerLine }

// heading writes the title and, above its axis, what it costs.
func (c Chart) heading(r chartdraw.Renderer, canvas chartdraw.Box, defaults chartdraw.Style) {
	write(r, defaults, "title", c.Title, 16, 26)
	write(r, defaults, "name", c.CostName, 16, canvas.Top-14)
}

// key says what colours and lines mean.
func key(entries []entry) chartdraw.Renderable {
	return func(r chartdraw.Renderer, _ chartdraw.Box, defaults chartdraw.Style) {
		for i, e := range entries {
			x, y := 22+i%keysPerLine*keyWidth, 48+i/keysPerLine*keyHeight
			if e.radius > 0 {
				circle(r, e.class, e.radius, x, y)
			} else {
				stroke(r, e.class, e.dashes, x-6, y, x+8, y)
			}
			write(r, defaults, "name", e.text, x+14, y+5)
		}
	}
}

// marks draws the objective, the rings and the labels.
func (c Chart) marks(xs, costs chartdraw.Range) chartdraw.Renderable {
	return func(r chartdraw.Renderer, canvas chartdraw.Box, defaults chartdraw.Style) {
		if c.Objective > 0 {
			x := canvas.Left + xs.Translate(place(c.Objective))
			stroke(r, "objective", dashed, x, canvas.Top, x, canvas.Bottom)
		}
		dots := make([]dot, len(c.Points))
		for i, p := range c.Points {
			dots[i] = dot{x: canvas.Left + xs.Translate(place(p.X)), y: canvas.Bottom - costs.Translate(p.Cost), label: p.Label}
			if p.Cheapest {
				circle(r, "ring", 10, dots[i].x, dots[i].y)
			}
		}
		for _, l := range labels(dots, canvas) {
			write(r, defaults, "label", l.text, l.box.Left, l.box.Bottom)
		}
	}
}

func write(r chartdraw.Renderer, defaults chartdraw.Style, class, text string, x, y int) {
	chartdraw.Draw.Text(r, text, x, y, classed(class).InheritFrom(defaults))
}

func circle(r chartdraw.Renderer, class string, radius float64, x, y int) {
	r.SetClassName(class)
	r.Circle(radius, x, y)
	r.FillStroke()
	r.ResetStyle()
}

func stroke(r chartdraw.Renderer, class string, dashes []float64, x1, y1, x2, y2 int) {
	r.SetClassName(class)
	r.SetStrokeDashArray(dashes)
	r.MoveTo(x1, y1)
	r.LineTo(x2, y2)
	r.Stroke()
	r.ResetStyle()
}
