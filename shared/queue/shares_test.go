package queue

import (
	"math"
	"testing"
	"time"
)

func TestSharesFade(t *testing.T) {
	t.Parallel()
	s, now := newShares(0), time.Unix(1000, 0)
	s.take("a", now)
	s.take("a", now)
	now = now.Add(time.Second)
	s.give("a", now)
	s.give("a", now)
	if used := s.used("a", now); math.Abs(used-2) > 0.1 {
		t.Errorf("two slots for a second are %v slot seconds", used)
	}
	if used := s.used("a", now.Add(memory)); math.Abs(used-1) > 0.1 {
		t.Errorf("after %v, %v slot seconds are left of 2", memory, used)
	}
	if used := s.used("b", now); used != 0 {
		t.Errorf("who had nothing has used %v", used)
	}
}

func TestRoomIsWhatTheBusiestMailboxLeaves(t *testing.T) {
	t.Parallel()
	s, now := newShares(2), time.Unix(1000, 0)
	if s.leastRoom() != 2 {
		t.Errorf("at first there is room for %d", s.leastRoom())
	}
	s.take("a", now)
	s.take("a", now)
	s.take("b", now)
	if s.leastRoom() != 0 || s.room("b") != 1 || s.room("c") != 2 {
		t.Errorf("least %d, b %d, c %d", s.leastRoom(), s.room("b"), s.room("c"))
	}
	s.give("a", now)
	if s.leastRoom() != 1 {
		t.Errorf("after one ended: %d", s.leastRoom())
	}
}

func TestSharesForgetWhoHasNothing(t *testing.T) {
	t.Parallel()
	s, now := newShares(0), time.Unix(1000, 0)
	s.take("busy", now)
	for i := range maxShares + 1 {
		name := "m" + time.Duration(i).String()
		s.take(name, now)
		s.give(name, now)
	}
	if len(s.mailboxes) > maxShares || s.mailboxes["busy"] == nil {
		t.Errorf("%d mailboxes are remembered, the busy one: %v", len(s.mailboxes), s.mailboxes["busy"])
	}
}
