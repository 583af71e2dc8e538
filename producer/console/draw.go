package console

import (
	"bytes"
	"html/template"
	"strconv"

	"github.com/go-analyze/charts/chartdraw"

	"github.com/sagefleet/sagefleet/producer/svg"
)

// meter is a bar that is filled in part. Its sizes are attributes: pages hold no
// inline styles.
type meter struct {
	Width string // of the filled part, of 100
	Tone  string // a class
}

// newMeter returns the meter of value in most; what is nearly full warns.
func newMeter(of, in any) meter {
	value, most, share := float(of), float(in), 0.0
	if most > 0 {
		share = min(1, max(0, value/most))
	}
	m := meter{Width: strconv.FormatFloat(share*100, 'f', 1, 64)}
	switch {
	case share >= 0.95:
		m.Tone = "bad"
	case share >= 0.8:
		m.Tone = "warn"
	}
	return m
}

func float(n any) float64 {
	switch n := n.(type) {
	case int:
		return float64(n)
	case float64:
		return n
	}
	return 0
}

// Sizes of a chart of lines, in pixels before it fills its box.
const (
	linesWidth  = 600
	linesHeight = 120
)

// drawLines draws values over time from 0 up to most, the newest on the right; fewer than
// room begin further right. The area below the first line is filled. Nothing comes of
// fewer than two values.
func drawLines(label string, room int, most float64, lines ...[]float64) (template.HTML, error) {
	if len(lines[0]) < 2 {
		return "", nil
	}
	if most <= 0 {
		most = 1
	}
	c := chartdraw.Chart{Width: linesWidth, Height: linesHeight,
		Background: chartdraw.Style{ClassName: "paper", Padding: chartdraw.Box{Top: 2, IsSet: true}}, Canvas: chartdraw.Style{ClassName: "paper"},
		XAxis: chartdraw.XAxis{Style: chartdraw.Hidden(), Range: &chartdraw.ContinuousRange{Max: float64(room - 1)}},
		YAxis: chartdraw.YAxis{Style: chartdraw.Hidden(), Range: &chartdraw.ContinuousRange{Max: most}}, YAxisSecondary: chartdraw.YAxis{Style: chartdraw.Hidden()}}
	for i, values := range lines {
		s := chartdraw.ContinuousSeries{YValues: values, Style: chartdraw.Style{ClassName: "line" + strconv.Itoa(i+1), StrokeWidth: 1, StrokeColor: chartdraw.ColorBlue, DotWidth: chartdraw.Disabled}}
		if i == 0 {
			s.Style.FillColor = chartdraw.ColorBlue // the page's stylesheet says which
		}
		for x := range values {
			s.XValues = append(s.XValues, float64(room-len(values)+x))
		}
		c.Series = append(c.Series, s)
	}
	var drawn bytes.Buffer
	if err := c.Render(chartdraw.SVG, &drawn); err != nil {
		return "", err
	}
	return svg.Inline(drawn.Bytes(), svg.Frame{Class: "drawn", Label: label, Stretch: true}), nil
}

// label is a word with a colour that says the same.
type label struct{ Tone, Text string }

func tag(tone, text string) label { return label{tone, text} }

// dict gives a template several values.
func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}
