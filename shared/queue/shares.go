package queue

import (
	"math"
	"time"
)

// shares keeps account of what each mailbox has had of a worker's slots.
//
// What counts is slot time, so that ten long files weigh more than ten short ones,
// and it fades, so that a mailbox which was busy an hour ago owes nobody anything.
// It is not safe for concurrent use.
type shares struct {
	perMailbox int // how many slots one mailbox may have at once; 0 is all
	mailboxes  map[string]*share
}

type share struct {
	slots int       // that it has now
	used  float64   // seconds of slots, as of at
	at    time.Time // when used was brought up to date
}

// memory is how long it takes for half of what was used to be forgotten.
const memory = 10 * time.Second

// maxShares bounds the memory for mailboxes that have no slot.
const maxShares = 10_000

func newShares(perMailbox int) *shares {
	return &shares{perMailbox: perMailbox, mailboxes: map[string]*share{}}
}

// take gives mailbox a slot.
func (s *shares) take(mailbox string, now time.Time) {
	m := s.mailboxes[mailbox]
	if m == nil {
		if len(s.mailboxes) >= maxShares {
			s.forget()
		}
		m = &share{at: now}
		s.mailboxes[mailbox] = m
	}
	m.settle(now)
	m.slots++
}

// give takes a slot of mailbox back.
func (s *shares) give(mailbox string, now time.Time) {
	m := s.mailboxes[mailbox]
	m.settle(now)
	m.slots--
}

// forget drops every mailbox that has no slot.
func (s *shares) forget() {
	for name, m := range s.mailboxes {
		if m.slots == 0 {
			delete(s.mailboxes, name)
		}
	}
}

// settle brings the account up to now.
func (m *share) settle(now time.Time) {
	passed := now.Sub(m.at).Seconds()
	if passed <= 0 {
		return
	}
	m.used = m.used*math.Exp2(-passed/memory.Seconds()) + passed*float64(m.slots)
	m.at = now
}

// used returns what mailbox has had, in slot seconds.
func (s *shares) used(mailbox string, now time.Time) float64 {
	m := s.mailboxes[mailbox]
	if m == nil {
		return 0
	}
	m.settle(now)
	return m.used
}

// room is how many more slots the mailbox with the most may have.
func (s *shares) room(mailbox string) int {
	if s.perMailbox == 0 {
		return math.MaxInt
	}
	if m := s.mailboxes[mailbox]; m != nil {
		return max(s.perMailbox-m.slots, 0)
	}
	return s.perMailbox
}

// leastRoom is how many messages may be taken without knowing whose they are.
func (s *shares) leastRoom() int {
	least := s.room("")
	for name := range s.mailboxes {
		least = min(least, s.room(name))
	}
	return least
}
