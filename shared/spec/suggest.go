package spec

import (
	"strings"
	"unicode/utf8"
)

// maxCandidates are compared with a mistaken name: with thousands of each, that
// would take longer than all the rest.
const maxCandidates = 128

// nearest returns the candidate that name was probably meant to be, or "". What
// differs only in case or surrounding space always counts; beyond that, one
// mistake in every three characters.
func nearest(name string, candidates []string) string {
	folded := fold(name)
	best, least := "", utf8.RuneCountInString(name)/3+1
	for _, candidate := range candidates[:min(len(candidates), maxCandidates)] {
		other := fold(candidate)
		if other == folded {
			return candidate
		}
		if d := distance(folded, other, least); d < least {
			best, least = candidate, d
		}
	}
	return best
}

func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// distance counts insertions, deletions, replacements and swaps of neighbours
// (optimal string alignment). It stops counting at limit.
func distance(s, t string, limit int) int {
	const longest = 256 // names beyond it are no typing mistakes of each other
	a, b := []rune(s), []rune(t)
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > longest || len(b) > longest {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
