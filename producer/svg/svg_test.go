package svg_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-analyze/charts/chartdraw"

	"github.com/sagefleet/sagefleet/producer/svg"
)

const hostile = `"]]></style><script>alert('x')</script> style="color:red" & co`

// drawing is one of the library with its own styles, as it makes them.
func drawing(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	c := chartdraw.Chart{Title: hostile, Series: []chartdraw.Series{chartdraw.ContinuousSeries{XValues: []float64{1, 2, 3}, YValues: []float64{1, 4, 2}}}}
	if err := c.Render(chartdraw.SVG, &b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), ` style="`) {
		t.Fatal("the library writes no styles any more: this package isn't needed")
	}
	return b.Bytes()
}

func TestNoStyleIsLeft(t *testing.T) {
	t.Parallel()
	text := string(svg.Inline(drawing(t), svg.Frame{Class: "spark", Label: hostile, Stretch: true}))
	stroked, said := 0, ""
	for decoder := xml.NewDecoder(strings.NewReader(text)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "style" || token.Name.Local == "script" {
				t.Errorf("an element %s", token.Name.Local)
			}
			for _, a := range token.Attr {
				switch a.Name.Local {
				case "style":
					t.Errorf("a style of %s: %q", token.Name.Local, a.Value)
				case "stroke":
					stroked++
				case "aria-label":
					if a.Value != hostile {
						t.Errorf("the label is %q", a.Value)
					}
				}
			}
		case xml.CharData:
			said += string(token)
		}
	}
	if stroked < 3 {
		t.Errorf("%d strokes are left", stroked)
	}
	if !strings.Contains(said, hostile) {
		t.Errorf("its text became %q", said)
	}
	for _, want := range []string{`<svg class="spark" role="img" aria-label="`, ` preserveAspectRatio="none"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %.300s", want, text)
		}
	}
}
