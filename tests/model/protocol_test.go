// Package model_test checks the commit protocol by trying every order of its steps.
//
// The model is what ARCHITECTURE.md calls "How an execution is committed", as
// shared/guard, shared/queue and shared/outcome do it, for one execution and its
// redrive: each operation of a store is one step, between any two of them another
// worker may step, and faults happen anywhere within a budget. What it leaves out
// (backoff, draining, moving a due retry) is one step here, or a message handed
// back. There is no reconciler: the protocol has to end without one.
package model_test

// step is what a worker does next. The numbers are those of ARCHITECTURE.md.
type step uint8

const (
	idle     step = iota
	look          // 2: read OUTCOME; if there is one, answer from it
	acquire       // 3: take the lock
	load          // 4: read the record
	reread        // 4: somebody began before us, and may have committed since we looked
	begin         // 4: the record says RUNNING
	work          // 5
	create        // 6: create OUTCOME if absent
	readBack      // 6: whatever was answered, what stands decides
	answer        // 7: an end that was found: read the record
	tell          // 7: the event
	record        // 7: compare-and-set the record from what OUTCOME says
	reload        // 7: the record was changed meanwhile: read it again
	letter        // 7: the dead letter
	ack           // 7: acknowledge
	fail          // the record says RETRY_WAIT, and one failure more
	later         // the next attempt is scheduled
	recheck       // only in variant B
	publish       // only in variant C
)

var stepNames = [...]string{"", "reads OUTCOME", "takes the lock", "reads the record", "reads OUTCOME again", "records RUNNING",
	"works", "creates OUTCOME", "reads OUTCOME back", "reads the record", "tells", "records the end", "reads the record again",
	"stores the dead letter", "acknowledges", "records the failure", "schedules a retry", "checks its lock", "writes the results"}

// kind is how a generation ended.
type kind uint8

const (
	none kind = iota
	succeeded
	dead
)

// invariants are a set of those of the design, which calls them I1 to I7.
type invariants uint8

const (
	i1 invariants = 1 << iota // one kind of end: record, outcome, event and dead letter agree
	i2                        // one committed result
	i3                        // a stale holder changes no committed bytes
	i4                        // acknowledged means that something has taken the message's place
	i5                        // the end stays in reach, with record, event and dead letter
	i6                        // a redrive follows a DEAD generation
	i7                        // no attempt from before a redrive commits after it
)

// The states of a record; those of an end are ended + kind.
const (
	accepted uint8 = iota
	running
	retryWait
	ended
)

// The states of a message.
const (
	absent uint8 = iota // not published yet, or acknowledged
	ready
	inFlight
)

const (
	generations = 2
	maxWorkers  = 3
	maxAttempts = 2
	maxCrashes  = 2
)

type worker struct {
	at    step
	slot  uint8 // of its message
	kind  kind  // the end that it wants, or knows
	born  uint8 // how many redrives there had been when it got its message
	holds bool  // its lease is the lock's
	fresh bool  // the record is at the revision that it knows
}

type generation struct {
	out      kind
	record   uint8
	failures uint8
	crashes  uint8
	told     uint8 // a set of kinds
	letter   bool
	opened   bool
	orphaned bool // the lock is held by a worker that died, until it expires
}

// faults are how many there may be of each kind, and of all kinds together.
type faults struct{ crashes, expiries, redeliveries, lost, all uint8 }

// state is one moment of the whole fleet. It is comparable.
type state struct {
	workers  [maxWorkers]worker
	messages [2 * generations]uint8 // of each generation its first and its retry
	gens     [generations]generation
	left     faults     // that may still happen
	redrives uint8      // that may still happen
	epoch    uint8      // how many redrives there were
	broken   invariants // by the last step
}

// model is the protocol, or a variant of it.
type model struct {
	workers   int
	faults    faults
	redrives  uint8
	variant   byte // A to H of the design, S, or 0
	unlocked  bool // nobody waits for a lock
	symmetric bool // workers have no names: states that differ only in them are one
	emit      func(to state, by int, what string, fault bool)
}

func (m *model) start() state {
	s := state{left: m.faults, redrives: m.redrives}
	s.gens[0].opened = true
	s.messages[0] = ready // 1: the PubAck is there
	return s
}

// next emits every state that can follow s.
func (m *model) next(s state) {
	for i := range m.workers {
		w := s.workers[i]
		if w.at == idle {
			m.receive(s, i)
			continue
		}
		m.advance(s, i)
		if t := s; t.suffer(&t.left.crashes) {
			t.gens[w.slot/2].orphaned = t.gens[w.slot/2].orphaned || w.holds
			m.emit(t.handBack(i), i, "dies", true)
		}
		if t := s; w.holds && t.suffer(&t.left.expiries) {
			t.workers[i].holds = false
			m.emit(t, i, "is paused, and its lock expires", true)
		}
	}
	for slot, message := range s.messages {
		if t := s; message == inFlight && t.suffer(&t.left.redeliveries) {
			t.messages[slot] = ready
			m.emit(t, -1, "the message is delivered again", true)
		}
	}
	for g := range s.gens {
		if t := s; s.gens[g].orphaned {
			t.gens[g].orphaned = false
			m.emit(t, -1, "the lock of the dead expires", false)
		}
	}
	m.redrive(s)
}

func (m *model) receive(s state, i int) {
	for slot, message := range s.messages {
		if t := s; message == ready {
			t.messages[slot] = inFlight
			t.workers[i] = worker{at: look, slot: uint8(slot), born: s.epoch}
			m.emit(t, i, "receives the message", false)
		}
	}
}

// redrive opens the second generation, or publishes its message once more.
func (m *model) redrive(s state) {
	if s.gens[0].out != dead || s.redrives == 0 {
		return
	}
	s.redrives--
	s.epoch = 1
	if m.variant == 'H' { // the same generation starts again
		s.gens[0] = generation{opened: true}
		s.messages[0] = ready
		for i := range s.workers {
			s.workers[i].fresh = false
		}
	} else {
		s.gens[1].opened = true
		s.messages[2] = ready
	}
	m.emit(s, -1, "an operator redrives", false)
}

// suffer takes one fault from its budget, and reports whether there was one left.
func (s *state) suffer(budget *uint8) bool {
	if *budget == 0 || s.left.all == 0 {
		return false
	}
	*budget--
	s.left.all--
	return true
}

// locked reports whether anyone has the lock of a generation.
func (s *state) locked(g uint8) bool {
	for _, w := range s.workers {
		if w.holds && w.slot/2 == g {
			return true
		}
	}
	return s.gens[g].orphaned
}

// save changes the record of worker i's generation: every other revision is stale.
func (s *state) save(i int, record uint8) {
	s.gens[s.workers[i].slot/2].record = record
	for j := range s.workers {
		if s.workers[j].slot/2 == s.workers[i].slot/2 {
			s.workers[j].fresh = j == i
		}
	}
}

// handBack ends worker i's part without an acknowledgement.
func (s state) handBack(i int) state {
	if slot := s.workers[i].slot; s.messages[slot] == inFlight {
		s.messages[slot] = ready
	}
	s.workers[i] = worker{}
	return s
}
