package spec

import "unicode/utf8"

// ruler is the lines of a text, in which characters are found by their number.
// A program may have written a whole configuration on one line, so that each is
// walked only once.
type ruler struct {
	lines []string
	marks map[int]marks // by line, made when they are asked for
}

// marks are where every stride-th character of a line begins, and how many
// characters there are.
type marks struct {
	at []int
	n  int
}

const stride = 512

func rulerOf(text string) *ruler {
	return &ruler{lines: lines(text), marks: map[int]marks{}}
}

func (r *ruler) measure(i int) marks {
	m, ok := r.marks[i]
	if ok {
		return m
	}
	for at := range r.lines[i] {
		if m.n%stride == 0 {
			m.at = append(m.at, at)
		}
		m.n++
	}
	r.marks[i] = m
	return m
}

// length is how many characters line i has, counted from 0.
func (r *ruler) length(i int) int { return r.measure(i).n }

// rest is what line i has after so many characters.
func (r *ruler) rest(i, characters int) string {
	m := r.measure(i)
	if characters < 0 || characters >= m.n {
		return ""
	}
	rest := r.lines[i][m.at[characters/stride]:]
	for range characters % stride {
		_, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
	}
	return rest
}

// cut returns the first characters of s.
func cut(s string, characters int) string {
	for at := range s {
		if characters == 0 {
			return s[:at]
		}
		characters--
	}
	return s
}
