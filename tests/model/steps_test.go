package model_test

// advance emits what worker i's next step can lead to.
func (m *model) advance(s state, i int) {
	w := &s.workers[i]
	g := &s.gens[w.slot/2]
	what := stepNames[w.at]
	do := func(t state) { m.emit(t, i, what, false) }
	// lost emits that the step was done, and the worker never learns it.
	lost := func(done state) {
		if done.suffer(&done.left.lost) {
			m.emit(done.handBack(i), i, what+", but the reply is lost", true)
		}
	}
	switch w.at {
	case look, reread:
		w.at++ // to acquire, to begin
		if g.out != none {
			s = s.ending(i, g.out)
			w.at = answer
		}
		do(s)
	case acquire:
		m.acquire(s, i, do)
	case load:
		w.at, w.fresh = begin, true
		switch {
		case m.variant == 'D' && g.record == ended+uint8(dead): // the record is what counts
			s = s.ending(i, dead)
		case g.record == running || g.record >= ended:
			w.at = reread
		}
		do(s)
	case begin, fail:
		if !w.fresh {
			do(s.handBack(i))
		} else if w.at == begin {
			m.begin(s, i, do, lost)
		} else {
			m.fail(s, i, do, lost)
		}
	case work:
		m.work(s, i)
	case later:
		s.messages[w.slot|1] = ready
		lost(s)
		w.at = ack
		do(s)
	default:
		m.end(s, i, do, lost)
	}
}

func (m *model) acquire(s state, i int, do func(state)) {
	w := &s.workers[i]
	switch {
	case m.unlocked:
		w.at = load
	case s.locked(w.slot / 2):
		s = s.handBack(i)
	default:
		if t := s; t.suffer(&t.left.lost) {
			t.gens[w.slot/2].orphaned = true
			m.emit(t.handBack(i), i, "takes the lock, but the reply is lost", true)
		}
		w.at, w.holds = load, true
	}
	do(s)
}

func (m *model) begin(s state, i int, do, lost func(state)) {
	w := &s.workers[i]
	g := &s.gens[w.slot/2]
	if g.record == running { // whoever it was ended without a word
		g.crashes = min(g.crashes+1, maxCrashes)
	}
	s.save(i, running)
	lost(s)
	if w.at = work; g.failures >= maxAttempts || g.crashes >= maxCrashes {
		s = m.commit(s, i, dead)
	}
	do(s)
}

func (m *model) fail(s state, i int, do, lost func(state)) {
	w := &s.workers[i]
	g := &s.gens[w.slot/2]
	g.failures++
	s.save(i, retryWait)
	lost(s)
	if g.failures >= maxAttempts {
		s = m.commit(s, i, dead)
	} else {
		w.at, w.holds, w.fresh, w.born = later, false, false, 0
	}
	do(s)
}

func (m *model) work(s state, i int) {
	m.emit(m.commit(s, i, succeeded), i, "makes a report", false)
	m.emit(m.commit(s, i, dead), i, "finds that no report can be made", false)
	t := s
	t.workers[i].at = fail
	m.emit(t, i, "fails", false)
	if w := s.workers[i]; !w.holds && !m.unlocked { // the renewal was refused
		if w.fresh {
			s.save(i, accepted)
		}
		m.emit(s.handBack(i), i, "stops, having lost its lock", false)
	}
}

// commit is where worker i goes to make k the end.
func (m *model) commit(s state, i int, k kind) state {
	w := &s.workers[i]
	w.kind, w.at = k, create
	switch {
	case m.variant == 'B':
		w.at = recheck
	case m.variant == 'C':
		w.at = publish
	case m.variant == 'D' && k == dead:
		w.at = record
	case m.variant == 'F':
		w.at = ack
	}
	return s
}

// ending is where worker i goes when it knows how the generation ended. The lock
// protects nothing any more.
func (s state) ending(i int, k kind) state {
	w := &s.workers[i]
	w.kind, w.at, w.holds, w.born = k, tell, false, 0
	return s
}

// end is steps 6 and 7.
func (m *model) end(s state, i int, do, lost func(state)) {
	w := &s.workers[i]
	g := &s.gens[w.slot/2]
	switch w.at {
	case recheck:
		if w.at = create; !w.holds {
			s = s.handBack(i)
		}
	case publish:
		if w.at = create; g.out != none {
			s.broken = i3
		}
	case create:
		s = m.create(s, i)
	case readBack:
		if w.at = create; g.out != none {
			s = s.ending(i, g.out)
		}
	case answer:
		w.at, w.fresh = tell, true
	case tell:
		g.told |= 1 << w.kind
		lost(s)
		w.at = record
	case record:
		s = m.record(s, i, lost)
	case reload:
		w.at, w.fresh = record, true
	case letter:
		g.letter = true
		lost(s)
		if w.at = ack; m.variant == 'G' {
			*w = worker{}
		}
	case ack:
		s = m.ack(s, i)
	}
	do(s)
}

func (m *model) create(s state, i int) state {
	w := &s.workers[i]
	g := &s.gens[w.slot/2]
	if g.out != none {
		switch m.variant {
		case 'A', 'B': // a plain PUT
			if s.broken = i2; !w.holds {
				s.broken |= i3
			}
		case 'E': // 412 is a failure, and no retry helps
			return s.ending(i, dead)
		default:
			w.at = readBack
			return s
		}
	}
	if m.variant == 'H' && w.born < s.epoch || m.variant != 'H' && w.born < w.slot/2 {
		s.broken |= i7
	}
	g.out = w.kind
	if t := s; t.suffer(&t.left.lost) {
		if t.workers[i].at = readBack; m.variant == 'E' {
			t.workers[i].at = create // the client asks again
		}
		m.emit(t, i, "creates OUTCOME, but the reply is lost", true)
	}
	return s.ending(i, w.kind)
}

func (m *model) record(s state, i int, lost func(state)) state {
	w := &s.workers[i]
	if !w.fresh && m.variant != 'S' {
		w.at = reload
		return s
	}
	if w.fresh && s.gens[w.slot/2].record < ended {
		s.save(i, ended+uint8(w.kind))
		lost(s)
	}
	w.at, w.fresh = ack, false
	if w.kind == dead && m.variant != 'G' {
		w.at = letter
	}
	return s
}

func (m *model) ack(s state, i int) state {
	if t := s; t.suffer(&t.left.lost) {
		m.emit(t.handBack(i), i, "acknowledges in vain", true)
	}
	w := &s.workers[i]
	s.messages[w.slot] = absent // also when the message is with another by now
	switch {
	case m.variant == 'F' && w.holds:
		w.at = create
	case m.variant == 'G' && w.kind == dead:
		w.at = letter
	default:
		*w = worker{}
	}
	return s
}
