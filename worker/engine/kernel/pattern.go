package kernel

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// matcher returns a function that says whether a text matches re. Most patterns
// of rules are small, and texts mostly ASCII: then it is a table lookup per
// byte, some twenty times faster than regexp. Everything else is left to re.
func matcher(re *regexp.Regexp) func([]byte) bool {
	d := newAutomaton(re.String())
	if d == nil {
		return re.Match
	}
	return func(text []byte) bool {
		holds, ok := d.match(text)
		if !ok {
			return re.Match(text)
		}
		return holds
	}
}

// maxStates bounds the table of an automaton to 64 KiB.
const maxStates = 256

const (
	dead      = 0 // no continuation matches
	matched   = 1 // every continuation matches
	firstLive = 2
)

// automaton is a deterministic automaton over ASCII for the question whether
// there is a match, not where.
type automaton struct {
	next  []uint16 // state*utf8.RuneSelf + byte: the next state
	atEnd []bool   // by state: the text matches if it ends here
	start uint16   // which is dead or matched for a pattern that reads nothing
}

// match reports whether text matches. It isn't ok when text is not ASCII.
func (d *automaton) match(text []byte) (holds, ok bool) {
	state := d.start
	if state <= matched {
		return state == matched, true
	}
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return false, false
		}
		if state = d.next[int(state)*utf8.RuneSelf+int(b)]; state <= matched {
			return state == matched, true
		}
	}
	return d.atEnd[state], true
}

// builder makes the automaton of a program by the subset construction.
type builder struct {
	prog   *syntax.Prog
	states map[string]uint16
	sets   [][]uint32
	auto   automaton
	failed bool
}

// newAutomaton returns nil for a pattern that needs more than an automaton of
// that size: word boundaries, lines, or too many states.
func newAutomaton(pattern string) *automaton {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil
	}
	b := &builder{prog: prog, states: map[string]uint16{}, sets: [][]uint32{nil, nil}}
	b.auto.atEnd = []bool{false, true}
	b.auto.next = make([]uint16, firstLive*utf8.RuneSelf) // of dead and matched, never read
	b.auto.start = b.add(b.closure(nil, uint32(prog.Start), syntax.EmptyBeginText), syntax.EmptyBeginText|syntax.EmptyEndText)
	for state := firstLive; state < len(b.sets) && !b.failed; state++ {
		b.expand(state)
	}
	if b.failed {
		return nil
	}
	return &b.auto
}

// expand computes the transitions of one state.
func (b *builder) expand(state int) {
	for char := range rune(utf8.RuneSelf) {
		var set []uint32
		for _, pc := range b.sets[state] {
			inst := &b.prog.Inst[pc]
			if isRune(inst) && inst.MatchRune(char) {
				set = b.closure(set, inst.Out, 0)
			}
		}
		// A match may also begin after this character; \A keeps this from
		// leading anywhere in anchored patterns.
		set = b.closure(set, uint32(b.prog.Start), 0)
		b.auto.next = append(b.auto.next, b.add(set, syntax.EmptyEndText))
	}
}

func isRune(inst *syntax.Inst) bool {
	switch inst.Op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	}
	return false
}

// closure adds to set what is reached from pc without reading, under the
// conditions that hold. What waits for the end of the text stays in the set.
func (b *builder) closure(set []uint32, pc uint32, holds syntax.EmptyOp) []uint32 {
	if slices.Contains(set, pc) {
		return set
	}
	switch inst := &b.prog.Inst[pc]; inst.Op {
	case syntax.InstFail:
		return set
	case syntax.InstAlt, syntax.InstAltMatch:
		set = append(set, pc)
		return b.closure(b.closure(set, inst.Out, holds), inst.Arg, holds)
	case syntax.InstCapture, syntax.InstNop:
		set = append(set, pc)
		return b.closure(set, inst.Out, holds)
	case syntax.InstEmptyWidth:
		wants := syntax.EmptyOp(inst.Arg)
		if wants&^(syntax.EmptyBeginText|syntax.EmptyEndText) != 0 {
			b.failed = true
			return set
		}
		if wants&^holds == 0 {
			return b.closure(append(set, pc), inst.Out, holds)
		}
		if wants&^holds == syntax.EmptyEndText {
			return append(set, pc)
		}
		return set
	default:
		return append(set, pc)
	}
}

// add returns the number of a set of instructions. atEnd are the conditions that
// hold if the text ends there.
func (b *builder) add(set []uint32, atEnd syntax.EmptyOp) uint16 {
	live := set[:0:0]
	var ending []uint32
	for _, pc := range set {
		switch inst := &b.prog.Inst[pc]; {
		case inst.Op == syntax.InstMatch:
			return matched
		case isRune(inst):
			live = append(live, pc)
		case inst.Op == syntax.InstEmptyWidth && syntax.EmptyOp(inst.Arg)&syntax.EmptyEndText != 0:
			live = append(live, pc)
			ending = b.closure(ending, pc, atEnd)
		}
	}
	if len(live) == 0 {
		return dead
	}
	slices.Sort(live)
	key := string(utf8Key(live, atEnd))
	if state, ok := b.states[key]; ok {
		return state
	}
	if len(b.sets) == maxStates {
		b.failed = true
		return dead
	}
	state := uint16(len(b.sets))
	b.states[key] = state
	b.sets = append(b.sets, live)
	b.auto.atEnd = append(b.auto.atEnd, slices.ContainsFunc(ending, func(pc uint32) bool {
		return b.prog.Inst[pc].Op == syntax.InstMatch
	}))
	return state
}

func utf8Key(set []uint32, atEnd syntax.EmptyOp) []byte {
	key := []byte{byte(atEnd)}
	for _, pc := range set {
		key = utf8.AppendRune(key, rune(pc))
	}
	return key
}
