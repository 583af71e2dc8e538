package shares

import (
	"fmt"
	"math"
	"time"

	"github.com/sagefleet/sagefleet/bridge/budget"
)

const (
	// silence is for how long no ticket may be left before it is told that nobody issues any:
	// the next ones come within milliseconds, as a rule.
	silence = time.Second
	// A mailbox that has spent its own limit is known only once its work was taken off the
	// queue. For some time after such a refusal few executions are taken at once, so that
	// workers need not wait for those that come back.
	refusedFor, few = time.Second, 4
)

// Open reports whether there is anything to spend, and if not, why not.
func (m *Member) Open(now time.Time) (ok bool, reason string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.abandoned(now):
		return false, fmt.Sprintf("no bridge leads, or the store can't be read: nothing was heard of the lead for %v", m.cfg.Lease)
	case m.left > 0 || m.empty.IsZero():
		return true, ""
	case m.short != "":
		return false, m.short
	case now.Sub(m.empty) > silence:
		return false, "no share of the budget is issued: no bridge leads, or the store can't be written"
	}
	return true, ""
}

// Room is how many more executions may be taken by whoever has taken so many that have
// not ended: as many as there are unused tickets, less those for which nobody has asked
// for a ticket yet.
func (m *Member) Room(taken int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.abandoned(time.Now()) {
		return 0
	}
	if !m.limits.Limited() {
		return math.MaxInt
	}
	left := m.left
	if time.Since(m.refused) < refusedFor {
		left = min(left, few)
	}
	return max(0, left-max(0, taken-m.using))
}

// abandoned reports whether the share of what the Lambda takes isn't granted any more,
// because the lead was silent for as long as a bridge may be. With a budget the tickets
// say that: the unused ones are reserved, and there are no more. The lock is held.
func (m *Member) abandoned(now time.Time) bool {
	return !m.limits.Limited() && !m.heard.IsZero() && now.Sub(m.heard) > m.cfg.Lease
}

// Report describes all limits as of now, by the account as the lead last wrote it.
func (m *Member) Report(now time.Time) []budget.Left {
	m.mu.Lock()
	defer m.mu.Unlock()
	return budget.Open(m.limits, m.spent).Report(now)
}

// hear notes that the lead has written the account.
func (m *Member) hear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard = time.Now()
}

// publish says to Open, Room and Report what the share has now.
func (m *Member) publish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left, m.using, m.short, m.spent = len(m.share.freeOf("")), len(m.active), m.account.Short, m.account.Budget
	switch {
	case m.left > 0 || !m.limits.Limited():
		m.empty = time.Time{}
	case m.empty.IsZero():
		m.empty = time.Now()
	}
}

// purseEmpty notes that a mailbox has no tickets of its own.
func (m *Member) purseEmpty() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused = time.Now()
}
