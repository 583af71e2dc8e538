package spec

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxCandidates are compared with a mistaken name: with thousands of each, that
// would take longer than all the rest.
const maxCandidates = 128

// nearest returns the candidate that name was probably meant to be, or "". What
// differs only in case or surrounding space always counts; beyond that, one
// mistake in every three characters.
func nearest(name string, candidates []string) string {
	var d distance
	folded := appendFolded(nil, name)
	other := make([]rune, 0, len(folded)+8)
	best, least := "", utf8.RuneCountInString(name)/3+1
	for _, candidate := range candidates[:min(len(candidates), maxCandidates)] {
		other = appendFolded(other[:0], candidate)
		if slices.Equal(other, folded) {
			return candidate
		}
		if n := d.between(folded, other, least); n < least {
			best, least = candidate, n
		}
	}
	return best
}

// idsOf returns the ids of the first catalogs, as many as are ever compared.
func idsOf(catalogs []*Catalog) []string {
	ids := make([]string, 0, min(len(catalogs), maxCandidates))
	for _, c := range catalogs[:cap(ids)] {
		ids = append(ids, c.ID)
	}
	return ids
}

func fold(s string) string { return string(appendFolded(nil, s)) }

// appendFolded appends s without surrounding space and in lower case.
func appendFolded(dst []rune, s string) []rune {
	for _, r := range strings.TrimSpace(s) {
		dst = append(dst, unicode.ToLower(r))
	}
	return dst
}

// distance keeps three rows of a table from one pair of names to the next: a
// configuration can have thousands of mistakes, each compared with 128 names.
type distance struct{ before, last, row []int }

// between counts insertions, deletions, replacements and swaps of neighbours
// (optimal string alignment). It stops counting at limit.
func (d *distance) between(a, b []rune, limit int) int {
	const longest = 256 // names beyond it are no typing mistakes of each other
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > longest || len(b) > longest {
		return limit
	}
	d.reset(len(b), limit)
	for i := range a {
		// Further from the diagonal than limit, everything costs more than limit.
		from, to := max(0, i-limit), min(len(b), i+limit+1)
		least := limit
		d.row[from] = limit
		if from == 0 {
			d.row[0] = i + 1
			least = min(limit, i+1)
		}
		for j := from; j < to; j++ {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			n := min(d.last[j+1]+1, d.row[j]+1, d.last[j]+cost, limit)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				n = min(n, d.before[j-1]+1)
			}
			d.row[j+1] = n
			least = min(least, n)
		}
		if to < len(b) {
			d.row[to+1] = limit // the next row looks there
		}
		if least >= limit && i > 0 && slices.Min(d.last[from:to+1]) >= limit {
			return limit // a swap reaches back two rows, nothing further
		}
		d.before, d.last, d.row = d.last, d.row, d.before
	}
	return min(d.last[len(b)], limit)
}

// reset makes the row above the first character of a.
func (d *distance) reset(n, limit int) {
	for _, row := range []*[]int{&d.before, &d.last, &d.row} {
		*row = slices.Grow((*row)[:0], n+1)[:n+1]
	}
	for j := range d.last {
		d.last[j] = min(j, limit)
		d.before[j], d.row[j] = limit, limit
	}
}
