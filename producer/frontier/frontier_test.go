package frontier_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/producer/frontier"
)

// hostile is text that would end an element, an attribute and a style.
const hostile = `"]]></style><script>alert('x')</script> & co`

func example() frontier.Chart {
	return frontier.Chart{Title: "policies", XName: "late %", CostName: "$", Objective: 1, Points: []frontier.Point{
		{Series: "threshold", Label: "1", X: 0, Cost: 0.03},
		{Series: "sized", Label: "1", X: 0.01, Cost: 0.027, Pareto: true, Cheapest: true},
		{Series: "sized", Label: "2", X: 40, Cost: 0.02, Pareto: true},
		{Series: "exact", Label: "1", X: 0, Cost: 0.025, Bound: true},
		{Series: "exact", Label: "2", X: 20, Cost: 0.01, Bound: true},
	}}
}

// drawing is what a document has.
type drawing struct {
	elements map[string]int // by name, and by name and each word of its class
	texts    []string
}

// parse fails the test unless the document is well-formed XML.
func parse(t *testing.T, text string) drawing {
	t.Helper()
	d := drawing{elements: map[string]int{}}
	for decoder, in := xml.NewDecoder(strings.NewReader(text)), ""; ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return d
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		switch token := token.(type) {
		case xml.StartElement:
			in = token.Name.Local
			d.elements[in]++
			for _, a := range token.Attr {
				if a.Name.Local != "class" {
					continue
				}
				for class := range strings.FieldsSeq(a.Value) {
					d.elements[in+"."+class]++
				}
			}
		case xml.CharData:
			if in == "text" {
				d.texts = append(d.texts, string(token))
			}
		case xml.EndElement:
			in = ""
		}
	}
}

func svg(t *testing.T, c frontier.Chart) drawing {
	t.Helper()
	var b strings.Builder
	if err := c.SVG(&b); err != nil {
		t.Fatal(err)
	}
	return parse(t, b.String())
}

func TestEveryChoiceIsAPoint(t *testing.T) {
	t.Parallel()
	d := svg(t, example())
	for what, want := range map[string]int{"circle.point": 5, "circle.key": 3, "circle.ring": 2, "path.objective": 2, "path.pareto": 2, "path.bound": 2} {
		if d.elements[what] != want {
			t.Errorf("%d of %s; expected %d: %v", d.elements[what], what, want, d.elements)
		}
	}
	all := strings.Join(d.texts, "|")
	for _, want := range []string{"policies", "late %", "$", "threshold", "sized", "exact", "objective", "0.03", "100"} {
		if !strings.Contains("|"+all+"|", "|"+want+"|") {
			t.Errorf("no text %q in %s", want, all)
		}
	}
}

func TestTextIsOnlyText(t *testing.T) {
	t.Parallel()
	c := frontier.Chart{Title: hostile, XName: hostile, CostName: hostile, Points: []frontier.Point{{Series: hostile, Label: hostile}}}
	if d := svg(t, c); d.elements["script"] != 0 || d.elements["style"] != 1 {
		t.Errorf("elements: %v", d.elements)
	}
	page := frontier.Page{Title: hostile, Summary: []string{hostile}, Charts: []frontier.Chart{c}, Columns: []string{hostile},
		Rows: []frontier.Row{{Cells: []string{hostile}}}, Notes: []frontier.Note{{Name: hostile, Lines: []string{hostile}}}}
	var b strings.Builder
	if err := page.HTML(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script") {
		t.Errorf("a script:\n%s", b.String())
	}
}

// In a page the chart has no style of its own, and says the page's words.
func TestInline(t *testing.T) {
	t.Parallel()
	c := example()
	c.Words = frontier.Words{Frontier: "frontera", Objective: "objetivo"}
	text, err := c.Inline(hostile)
	if err != nil {
		t.Fatal(err)
	}
	d := parse(t, string(text))
	if d.elements["style"] != 0 || d.elements["script"] != 0 || strings.Contains(string(text), " style=") {
		t.Errorf("styles are left: %v", d.elements)
	}
	if d.elements["circle.point"] != 5 || d.elements["svg.frontier"] != 1 {
		t.Errorf("elements: %v", d.elements)
	}
	all := "|" + strings.Join(d.texts, "|") + "|"
	for _, want := range []string{"frontera", "objetivo", "lower bound"} {
		if !strings.Contains(all, "|"+want+"|") {
			t.Errorf("no text %q in %s", want, all)
		}
	}
	if _, err := (frontier.Chart{}).Inline(""); !errors.Is(err, frontier.ErrNoPoints) {
		t.Errorf("an empty chart: %v", err)
	}
}

func TestSheetHasEveryChart(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := frontier.Sheet(&b, example(), example(), example()); err != nil {
		t.Fatal(err)
	}
	if d := parse(t, b.String()); d.elements["circle.point"] != 15 {
		t.Errorf("%d points of 15", d.elements["circle.point"])
	}
	if !strings.Contains(b.String(), `width="1280" height="920"`) {
		t.Errorf("three charts don't lie two in a row: %.200s", b.String())
	}
}

// Values that no policy comes to must not hang or break the axes.
func TestExtremes(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]frontier.Point{
		"nothing":  {},
		"huge":     {X: math.MaxFloat64 / 1e3, Cost: 1e300},
		"tiny":     {X: 1e-300, Cost: 1e-300},
		"infinite": {X: math.Inf(1), Cost: math.Inf(1)},
	} {
		c := frontier.Chart{Points: []frontier.Point{p, {X: 1, Cost: 1}}}
		if name == "tiny" {
			c.Points = c.Points[:1]
		}
		err := c.SVG(io.Discard)
		if (err != nil) != (name == "infinite") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (frontier.Chart{}).SVG(io.Discard); !errors.Is(err, frontier.ErrNoPoints) {
		t.Errorf("an empty chart: %v", err)
	}
	if err := frontier.Sheet(io.Discard); !errors.Is(err, frontier.ErrNoPoints) {
		t.Errorf("an empty sheet: %v", err)
	}
}
