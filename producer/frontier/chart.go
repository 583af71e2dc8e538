// Package frontier draws what choices cost over what they miss, as SVG and as a page.
//
// The horizontal axis is log₁₀(1 + x/0.1): nearly linear below 0.1, so that nothing
// missed has a place, and logarithmic above.
package frontier

import (
	"bytes"
	"cmp"
	"errors"
	"html/template"
	"io"
	"slices"
	"strconv"

	"github.com/go-analyze/charts/chartdraw"

	"github.com/sagefleet/sagefleet/producer/svg"
)

// Point is one choice.
type Point struct {
	Series   string  // its policy, which gives it its colour
	Label    string  // written beside it
	X        float64 // what is missed; 0 or more
	Cost     float64 // 0 or more
	Pareto   bool    // joined with the others that are
	Cheapest bool    // ringed
	Bound    bool    // joined, dashed, with the others that nothing can beat
}

// Chart is one picture. Its texts may be any.
type Chart struct {
	Title     string
	XName     string
	CostName  string
	Objective float64 // where X is kept, drawn as a line; 0 draws none
	Points    []Point
	Words     Words // the zero ones are English
}

// Words are what the key calls lines and rings.
type Words struct{ Frontier, Bound, Objective, Cheapest string }

func (w Words) orEnglish() Words {
	return Words{cmp.Or(w.Frontier, "frontier"), cmp.Or(w.Bound, "lower bound"), cmp.Or(w.Objective, "objective"), cmp.Or(w.Cheapest, "cheapest kept")}
}

const (
	width, height = 640, 460
	colours       = 6    // in style.go; more series begin again
	textSize      = 10.5 // points; 14 px
)

// ErrNoPoints says that there is nothing to draw.
var ErrNoPoints = errors.New("no points to draw")

// SVG writes a document of its own, without scripts, fonts or other files. It
// follows the viewer's light or dark scheme.
func (c Chart) SVG(out io.Writer) error { return c.render(out, svgStyle) }

// Inline returns the chart as an element of a page whose stylesheet gives its classes,
// within class frontier, their colours. label says what it shows.
func (c Chart) Inline(label string) (template.HTML, error) {
	var b bytes.Buffer
	if err := c.render(&b, ""); err != nil {
		return "", err
	}
	return svg.Inline(b.Bytes(), svg.Frame{Class: "frontier", Label: label}), nil
}

func (c Chart) render(out io.Writer, style string) error {
	if len(c.Points) == 0 {
		return ErrNoPoints
	}
	across, up := c.xTicks(), c.costTicks()
	xs := &chartdraw.ContinuousRange{Min: across[0].Value, Max: across[len(across)-1].Value}
	costs := &chartdraw.ContinuousRange{Min: up[0].Value, Max: up[len(up)-1].Value}
	grid := chartdraw.Style{StrokeColor: chartdraw.ColorAlternateGray.WithAlpha(80), StrokeWidth: 1} // the library gives it no class
	names := c.series()
	entries := c.entries(names)
	drawn := chartdraw.Chart{
		Width: width, Height: height,
		Background: chartdraw.Style{ClassName: "paper", Padding: chartdraw.Box{Top: keyTop + keyHeight*lines(entries), Left: 16, Right: 24, Bottom: 14, IsSet: true}},
		Canvas:     chartdraw.Style{ClassName: "canvas"},
		XAxis: chartdraw.XAxis{Name: c.XName, NameStyle: classed("name"), Style: classed("axis"), Range: xs, Ticks: across,
			GridMajorStyle: grid, GridMinorStyle: grid},
		// The library has the primary axis on the right.
		YAxis: chartdraw.YAxis{Style: chartdraw.Hidden(), Range: &chartdraw.ContinuousRange{Max: 1}},
		YAxisSecondary: chartdraw.YAxis{Style: classed("axis"), Range: costs, Ticks: up,
			GridMajorStyle: grid, GridMinorStyle: grid, Zero: chartdraw.GridLine{Style: chartdraw.Hidden()}},
		Series: c.drawn(names),
	}
	drawn.Elements = []chartdraw.Renderable{c.heading, key(entries), c.marks(xs, costs)}
	return drawn.Render(chartdraw.SVGWithCSS(style, ""), out)
}

func classed(name string) chartdraw.Style {
	return chartdraw.Style{ClassName: name, FontStyle: chartdraw.FontStyle{FontSize: textSize}}
}

// series are the names, in the order in which they first come.
func (c Chart) series() []string {
	var names []string
	for _, p := range c.Points {
		if !slices.Contains(names, p.Series) {
			names = append(names, p.Series)
		}
	}
	return names
}

// drawn are the lines, and above them the points.
func (c Chart) drawn(names []string) []chartdraw.Series {
	var all []chartdraw.Series
	line := func(class string, dashes []float64, keep func(Point) bool) {
		points := slices.DeleteFunc(slices.Clone(c.Points), func(p Point) bool { return !keep(p) })
		if len(points) < 2 {
			return
		}
		slices.SortFunc(points, func(a, b Point) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(b.Cost, a.Cost)) })
		all = append(all, values(points, chartdraw.Style{ClassName: class, StrokeWidth: 2, StrokeDashArray: dashes, DotWidth: chartdraw.Disabled}))
	}
	line("bound", dotted, func(p Point) bool { return p.Bound })
	line("pareto", nil, func(p Point) bool { return p.Pareto })
	for i, name := range names {
		points := slices.DeleteFunc(slices.Clone(c.Points), func(p Point) bool { return p.Series != name })
		all = append(all, values(points, chartdraw.Style{ClassName: "point " + colour(i), StrokeWidth: chartdraw.Disabled, DotWidth: 5}))
	}
	return all
}

func values(points []Point, style chartdraw.Style) chartdraw.ContinuousSeries {
	s := chartdraw.ContinuousSeries{YAxis: chartdraw.YAxisSecondary, Style: style}
	for _, p := range points {
		s.XValues = append(s.XValues, place(p.X))
		s.YValues = append(s.YValues, p.Cost)
	}
	return s
}

func colour(series int) string { return "c" + strconv.Itoa(series%colours) }
