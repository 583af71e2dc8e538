package model_test

import (
	"cmp"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
)

var full = flag.Bool("full", false, "let TestProtocol try all faults together: minutes, and gigabytes")

// TestProtocol: no order of steps and faults breaks an invariant, with a lock and
// without.
func TestProtocol(t *testing.T) {
	t.Parallel()
	models := map[string]model{
		"2 workers":                {workers: 2, redrives: 1, faults: faults{crashes: 1, expiries: 1, redeliveries: 1, lost: 1, all: 2}},
		"2 workers, two redrives":  {workers: 2, redrives: 2, faults: faults{crashes: 1, expiries: 1, redeliveries: 1, lost: 1, all: 1}},
		"2 workers without a lock": {workers: 2, redrives: 0, faults: faults{crashes: 1, redeliveries: 1, lost: 1, all: 3}, unlocked: true},
		"3 workers":                {workers: 3, redrives: 0, faults: faults{crashes: 1, expiries: 1, redeliveries: 2, lost: 1, all: 3}},
		"3 workers at once":        {workers: 3, redrives: 0, faults: faults{expiries: 2, redeliveries: 2, all: 4}},
		"3 workers, a redrive":     {workers: 3, redrives: 1, faults: faults{crashes: 1, expiries: 1, redeliveries: 1, lost: 1, all: 1}},
		"3 workers without a lock": {workers: 3, redrives: 0, faults: faults{redeliveries: 2, crashes: 1, lost: 1, all: 2}, unlocked: true},
	}
	if *full {
		models = map[string]model{
			"2 workers": {workers: 2, redrives: 2, faults: faults{crashes: 1, expiries: 1, redeliveries: 1, lost: 1, all: 4}},
			"3 workers": {workers: 3, redrives: 1, faults: faults{crashes: 1, expiries: 1, redeliveries: 1, lost: 1, all: 2}},
		}
	}
	for name, m := range models {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m.symmetric = true
			found, broken := explore(&m, ^invariants(0))
			if broken != 0 {
				m.symmetric = false // so that each worker keeps its number
				found, broken = explore(&m, broken)
				t.Fatalf("%v: broken in\n%s", broken, strings.Join(found.trace(&m), "\n"))
			}
			if n := found.stuck(); n > 0 {
				t.Errorf("I5: no end can be reached from %d states", n)
			}
			t.Logf("%d states", len(found.states))
		})
	}
}

// TestVariants: each step is needed. The protocol without it breaks an invariant.
func TestVariants(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		variant byte
		broken  invariants
	}{
		"A: a lock and a plain PUT":                           {'A', i2},
		"A: a lock and a plain PUT, by a stale holder":        {'A', i3},
		"B: the lock is checked again just before the PUT":    {'B', i2},
		"C: results under a fixed key":                        {'C', i3},
		"D: the record decides that it is dead":               {'D', i1},
		"E: 412 is a failure":                                 {'E', i1},
		"F: the acknowledgement before the commit":            {'F', i4},
		"G: the dead letter after the acknowledgement":        {'G', i5},
		"H: a redrive within the generation":                  {'H', i7},
		"S: a record that changed meanwhile is left as it is": {'S', i5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &model{workers: 2, variant: tt.variant, redrives: 1, faults: faults{crashes: 1, expiries: 1, redeliveries: 1, lost: 1, all: 4}}
			found, broken := explore(m, tt.broken)
			if broken == 0 {
				t.Fatalf("%v holds in all %d states", tt.broken, len(found.states))
			}
			steps := found.trace(m)
			t.Logf("%v: broken in %d steps, the shortest of %d states:\n%s", broken, len(steps), len(found.states), strings.Join(steps, "\n"))
		})
	}
}

// String names the invariants as the design does.
func (v invariants) String() string {
	var names []string
	for i := range 7 {
		if v&(1<<i) != 0 {
			names = append(names, fmt.Sprintf("I%d", i+1))
		}
	}
	return strings.Join(names, " ")
}

// violations are the invariants that do not hold in s.
func (s *state) violations() invariants {
	found := s.broken
	quiet := s.calm()
	for i := range s.gens {
		g := &s.gens[i]
		if !g.opened {
			continue
		}
		kinds := g.told | 1<<g.out
		if g.record >= ended {
			kinds |= 1 << (g.record - ended)
		}
		if g.letter {
			kinds |= 1 << dead
		}
		if kinds &^= 1 << none; kinds&(kinds-1) != 0 {
			found |= i1
		}
		if g.out == none && s.messages[2*i] == absent && s.messages[2*i+1] == absent {
			found |= i4
		}
		if quiet && !g.complete() {
			found |= i5
		}
		if i > 0 && s.gens[i-1].out != dead {
			found |= i6
		}
	}
	return found
}

// calm reports whether nothing is under way.
func (s *state) calm() bool {
	return s.messages == [2 * generations]uint8{} && s.workers == [maxWorkers]worker{}
}

// finished reports whether all that was asked for is done.
func (s *state) finished() bool { return s.calm() && s.violations()&i5 == 0 }

// complete reports whether all that an end asks for is stored.
func (g *generation) complete() bool {
	return g.out != none && g.record == ended+uint8(g.out) && g.told == 1<<g.out && g.letter == (g.out == dead)
}

// search is a breadth-first search of all states.
type search struct {
	states []state
	from   []uint32 // by state: the one that it was first reached from
	known  map[state]uint32

	starts []uint32 // by state: where its successors without a fault begin in calm
	calm   []uint32
}

// explore visits every state of m, up to the first that breaks one of the
// invariants.
func explore(m *model, wanted invariants) (*search, invariants) {
	s := &search{known: map[state]uint32{}}
	var current uint32
	m.emit = func(to state, _ int, _ string, fault bool) {
		if m.symmetric {
			to.sort()
		}
		n, seen := s.known[to]
		if !seen {
			n = uint32(len(s.states))
			s.known[to] = n
			s.states = append(s.states, to)
			s.from = append(s.from, current)
		}
		if !fault {
			s.calm = append(s.calm, n)
		}
	}
	m.emit(m.start(), 0, "", true)
	for ; int(current) < len(s.states); current++ {
		s.starts = append(s.starts, uint32(len(s.calm)))
		at := s.states[current]
		if broken := at.violations() & wanted; broken != 0 {
			s.states, s.from = s.states[:current+1], s.from[:current+1]
			return s, broken
		}
		if at.broken == 0 {
			m.next(at)
		}
	}
	s.starts = append(s.starts, uint32(len(s.calm)))
	return s, 0
}

// sort makes workers nameless.
func (s *state) sort() {
	code := func(w worker) int {
		n := int(w.at)<<12 | int(w.slot)<<8 | int(w.kind)<<4 | int(w.born)<<2
		if w.holds {
			n |= 2
		}
		if w.fresh {
			n |= 1
		}
		return n
	}
	slices.SortFunc(s.workers[:], func(a, b worker) int { return cmp.Compare(code(b), code(a)) })
}

// stuck counts the states from which the end can't be reached although nothing
// fails any more: the other half of invariant 5.
func (s *search) stuck() int {
	ends := make([]bool, len(s.states))
	left := 0
	for changed := true; changed; {
		changed, left = false, 0
		for i := len(s.states) - 1; i >= 0; i-- {
			if ends[i] {
				continue
			}
			next := s.calm[s.starts[i]:s.starts[i+1]]
			ends[i] = s.states[i].finished() || slices.ContainsFunc(next, func(n uint32) bool { return ends[n] })
			changed = changed || ends[i]
			if !ends[i] {
				left++
			}
		}
	}
	return left
}

// trace is the way to the last state, a step a line.
func (s *search) trace(m *model) []string {
	var lines []string
	for i := uint32(len(s.states) - 1); i != 0; i = s.from[i] {
		line := ""
		m.emit = func(to state, by int, what string, _ bool) {
			if to != s.states[i] || line != "" {
				return
			}
			if line = what; by >= 0 {
				line = fmt.Sprintf("worker %d %s", by+1, what)
			}
		}
		m.next(s.states[s.from[i]])
		lines = append(lines, line)
	}
	slices.Reverse(lines)
	return lines
}
