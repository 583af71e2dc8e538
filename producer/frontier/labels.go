package frontier

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-analyze/charts/chartdraw"
)

// Sizes of labels, in pixels.
const (
	letterWidth = 7
	labelHeight = 12
	labelGap    = 8 // between a point and its label
	together    = 6 // points so near share a label
)

// dot is a point in the picture.
type dot struct {
	x, y  int
	label string
}

// label is a text in its place; its bottom is the baseline.
type label struct {
	text string
	box  chartdraw.Box
}

// labels finds places beside the dots, right of them if they can be there, that
// cover neither each other nor a dot. What finds none is left out.
func labels(dots []dot, canvas chartdraw.Box) []label {
	groups := merge(dots)
	var taken []chartdraw.Box
	for _, d := range dots {
		taken = append(taken, chartdraw.Box{Left: d.x - 4, Right: d.x + 4, Top: d.y - 4, Bottom: d.y + 4})
	}
	var placed []label
	for _, g := range groups {
		w := letterWidth * utf8.RuneCountInString(g.label)
		for _, at := range [][2]int{{labelGap, -labelGap}, {labelGap, labelHeight / 2}, {labelGap, labelGap + labelHeight}, {-labelGap - w, -labelGap},
			{-labelGap - w, labelHeight / 2}, {-labelGap - w, labelGap + labelHeight}, {-w / 2, -labelGap - 4}, {-w / 2, labelGap + labelHeight + 2}} {
			x, baseline := g.x+at[0], g.y+at[1]
			box := chartdraw.Box{Left: x, Right: x + w, Top: baseline - labelHeight, Bottom: baseline}
			inside := x >= canvas.Left && x+w <= canvas.Right+20 && baseline <= canvas.Bottom+labelHeight/2 && box.Top >= canvas.Top-labelHeight
			if !inside || slices.ContainsFunc(taken, func(t chartdraw.Box) bool { return overlap(t, box) }) {
				continue
			}
			taken = append(taken, box)
			placed = append(placed, label{text: g.label, box: box})
			break
		}
	}
	return placed
}

// merge gives dots that lie together one label of all their texts.
func merge(dots []dot) []dot {
	var groups []dot
	var texts [][]string
	for _, d := range dots {
		i := slices.IndexFunc(groups, func(g dot) bool { return max(d.x-g.x, g.x-d.x, d.y-g.y, g.y-d.y) <= together })
		switch {
		case i < 0:
			groups, texts = append(groups, d), append(texts, []string{d.label})
		case !slices.Contains(texts[i], d.label):
			texts[i] = append(texts[i], d.label)
		}
	}
	for i := range groups {
		groups[i].label = strings.Join(texts[i], ", ")
	}
	return groups
}

func overlap(a, b chartdraw.Box) bool {
	return a.Left < b.Right && b.Left < a.Right && a.Top < b.Bottom && b.Top < a.Bottom
}
