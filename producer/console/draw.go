package console

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// spark is a small line chart: the coordinates of its line, and of the area below.
type spark struct{ Line, Area string }

const (
	sparkWidth  = 120.0
	sparkHeight = 28.0
)

// newSpark returns the chart of values from 0 up, the newest on the right; fewer
// than room begin further right.
func newSpark(values []float64, room int) spark {
	return sparkTo(values, room, max(1, slices.Max(append([]float64{0}, values...))))
}

// sparkTo is newSpark with most at its top.
func sparkTo(values []float64, room int, most float64) spark {
	if len(values) < 2 {
		return spark{}
	}
	if most <= 0 {
		most = 1
	}
	step := sparkWidth / float64(room-1)
	first := sparkWidth - step*float64(len(values)-1)
	points := make([]string, len(values))
	for i, v := range values {
		points[i] = fmt.Sprintf("%.1f,%.1f", first+step*float64(i), 1+(sparkHeight-2)*(1-v/most))
	}
	line := strings.Join(points, " ")
	return spark{line, fmt.Sprintf("%.1f,%g %s %g,%g", first, sparkHeight, line, sparkWidth, sparkHeight)}
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
