package console

import (
	"strings"
	"testing"
)

// The newest is on the right, 0 at the bottom and the most at the top; the first line's
// area is filled; who doesn't see it is told; and no style stands on anything.
func TestDrawLines(t *testing.T) {
	t.Parallel()
	drawn, err := drawLines(`a "chart"`, 5, 4, []float64{0, 2, 4}, []float64{4, 4, 0})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(drawn)), " ")
	for _, want := range []string{`<svg class="drawn" role="img" aria-label="a &#34;chart&#34;" preserveAspectRatio="none"`, `M 300 120 L 450 61 L 600 2 L 600 120 L 300 120 L 300 120" class="line1 fill"`,
		`M 300 120 L 450 61 L 600 2" class="line1 stroke"`, `M 300 2 L 450 2 L 600 120" class="line2 stroke"`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "style=") || strings.Contains(text, "<text") || strings.Contains(text, "line2 fill") {
		t.Errorf("more than lines:\n%s", text)
	}
	for name, values := range map[string][]float64{"none": nil, "one": {1}} {
		if drawn, err := drawLines("", 5, 1, values); err != nil || drawn != "" {
			t.Errorf("%s: %q, %v", name, drawn, err)
		}
	}
	if flat, err := drawLines("", 5, 0, []float64{0, 0}); err != nil || !strings.Contains(strings.Join(strings.Fields(string(flat)), " "), `M 450 120 L 600 120" class="line1 stroke"`) {
		t.Errorf("nothing all the time: %q, %v", flat, err)
	}
}
