package spec_test

import (
	"math/rand/v2"
	"testing"

	"github.com/sagefleet/sagefleet/shared/spec"
)

// TestDistance compares the distance that stops early with one that fills the
// whole table.
func TestDistance(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	word := func() []byte {
		w := make([]byte, random.IntN(12))
		for i := range w {
			w[i] = "abc"[random.IntN(3)]
		}
		return w
	}
	for range 20_000 {
		a, b := word(), word()
		limit := 1 + random.IntN(6)
		if got, want := spec.Distance(string(a), string(b), limit), min(limit, plainDistance(a, b)); got != want {
			t.Fatalf("distance of %s and %s up to %d is %d, want %d", a, b, limit, got, want)
		}
	}
}

func plainDistance(a, b []byte) int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
		for j := range table[i] {
			if i == 0 || j == 0 {
				table[i][j] = i + j
				continue
			}
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			table[i][j] = min(table[i-1][j]+1, table[i][j-1]+1, table[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				table[i][j] = min(table[i][j], table[i-2][j-2]+1)
			}
		}
	}
	return table[len(a)][len(b)]
}
