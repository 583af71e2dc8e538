package reader_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/worker/engine/reader"
)

// TestCellsOfAnyLengthAndByte: separators are looked for in 64 bytes at once, so
// cells end at every place among them, and hold the bytes that are nearly one.
func TestCellsOfAnyLengthAndByte(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	near := []byte{',' - 1, ',' + 1, ',' | 0x80, '\n' + 1, '\n' - 1, '\n' | 0x80, 0x7f, 0x80, 0xff, 0x01, 'a', ' '}
	for round := range 200 {
		var text strings.Builder
		var want []row
		for line := 1; line <= 20; line++ {
			cells := make([]string, 4)
			for i := range cells {
				cell := []byte{'x'} // no quote, no blank line
				for range r.IntN(70) * (round % 3) {
					cell = append(cell, near[r.IntN(len(near))])
				}
				cells[i] = string(cell)
				if r.IntN(10) == 0 {
					text.WriteString(`"` + cells[i] + `"`)
				} else {
					text.WriteString(cells[i])
				}
				text.WriteString(map[bool]string{true: "\n", false: ","}[i == 3])
			}
			want = append(want, row{line, latin1(cells)})
		}
		_, rows, ragged, err := readAll(t, text.String(), reader.Dialect{Latin1: true}, 1+r.IntN(3000))
		if err != nil || ragged > 0 {
			t.Fatalf("%d ragged rows, %v", ragged, err)
		}
		if !slices.EqualFunc(want, rows, func(a, b row) bool { return a.line == b.line && slices.Equal(a.cells, b.cells) }) {
			t.Fatalf("got %v\nwant %v", rows, want)
		}
	}
}

// latin1 is what the bytes of cells are as Latin-1.
func latin1(cells []string) []string {
	decoded := make([]string, len(cells))
	for i, cell := range cells {
		for _, b := range []byte(cell) {
			decoded[i] += string(rune(b))
		}
	}
	return decoded
}
