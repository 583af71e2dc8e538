package shares

import (
	"maps"
	"time"

	"github.com/sagefleet/sagefleet/bridge/budget"
)

// serve gives tickets of s to those who wait, and returns to whom.
func (m *Member) serve(s *Share) (served []*ask) {
	m.adopt(s)
	for _, a := range m.waiting {
		a.id = ""
		if free := s.freeOf(a.purse); len(free) > 0 {
			a.id = free[0]
			t := s.Tickets[a.id]
			t.Key, t.Expiry = a.key, a.expiry.UTC()
			s.Tickets[a.id] = t
			served = append(served, a)
		}
	}
	return served
}

// settle writes what tickets did cost into s. One that isn't there was settled by
// somebody else, or is in a share that was closed, which the lead settles.
func (m *Member) settle(s *Share) (changed bool) {
	for id, usd := range m.costs {
		changed = s.settle(id, usd) || changed
		delete(m.active, id)
	}
	return changed
}

// adopt takes note of the tickets that were issued.
func (m *Member) adopt(s *Share) {
	issued := m.account.Issued[s.Bridge]
	if issued <= s.Adopted {
		return
	}
	for id, r := range m.account.Budget.Open {
		if shareOf(id) == s.Bridge && number(id) > s.Adopted {
			s.Tickets[id] = Ticket{Mailbox: purse(m.limits, r.Mailbox), USD: budget.USD(r.Amount)}
		}
	}
	s.Adopted = issued
}

// tidy forgets what the account has settled, takes back what nobody was given, and says
// what is wanted. It reports whether anything is other than it was written.
func (m *Member) tidy(s *Share) (changed bool) {
	now := time.Now()
	changed = s.Adopted != m.share.Adopted
	asked := map[string]bool{}
	for _, a := range m.waiting {
		asked[a.id] = true
	}
	for id, t := range s.Tickets {
		_, open := m.account.Budget.Open[id]
		switch {
		case t.Settled && !open:
			delete(s.Tickets, id)
			changed = true
		case t.used() && !m.active[id] && !asked[id]: // an earlier write was answered with an error: nobody knows of it
			s.Tickets[id] = Ticket{Mailbox: t.Mailbox, USD: t.USD}
			changed = true
		case t.used() && now.After(t.Expiry.Add(late)): // what it cost was never said
			s.settle(id, t.USD)
			delete(m.active, id)
			changed = true
		}
	}
	free := s.count(Ticket.free)
	want, most, idle := m.wants(s)
	if !maps.Equal(want, s.Want) || most != s.Most || idle != s.Idle || free != s.count(Ticket.free) {
		s.Want, s.Most, s.Idle = want, most, idle
		changed = true
	}
	return changed
}

// wants is how many unused tickets s should have: as many as were asked for in the last
// two seconds, or one to begin with. What others lack meanwhile goes back.
func (m *Member) wants(s *Share) (want map[string]int, most int, idle bool) {
	if !m.limits.Limited() {
		return nil, 0, true
	}
	most = max(m.slots-s.count(Ticket.used), 0)
	lately := m.recent[0] + m.recent[1]
	idle = lately == 0 && len(m.waiting) == 0
	want = map[string]int{"": min(most, max(lately, 1))}
	for _, a := range m.waiting {
		if a.id == "" && a.purse != "" {
			want[a.purse]++
		}
	}
	if keep := want[""]; m.account.Starved {
		if idle {
			keep = 0
		}
		free := s.freeOf("")
		for _, id := range free[min(keep, len(free)):] {
			s.settle(id, 0)
		}
	}
	return want, most, idle
}
