// Package shares lets several bridges spend one budget that cannot be exceeded, not by
// a crash, a pause at any moment, nor by two leads at once.
//
// The account is one key, changed by whoever leads. The lead issues tickets: each is
// the right to one invocation, and reserves in the account the most that it can cost.
// Each bridge has a key of its own, its share, where it adopts the tickets that were
// issued to it, writes down which it uses before it invokes, and what that did cost.
// The lead settles the account from the shares and closes the shares of dead bridges.
//
// Every write is a compare-and-set, and every step can be done twice. These rules are
// all there is to the safety of it:
//
//   - A ticket is used only after a write of the share says so. To take a bridge's
//     unused tickets away, the lead writes the share, and so the bridge's next write
//     fails, however late it comes.
//   - A ticket leaves the account only when its share says what it cost, or says that it
//     will never be adopted.
//   - A used ticket whose cost nobody knows costs the most that it can, at a time when the
//     invocation can't be running any more.
//
// The lease of the lead only saves work. Debts are paid off, and silence is measured, by
// the clock of the store: those of the bridges may differ, and be set.
package shares

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// Version is the highest version of the formats of account and share that this code knows.
const Version = 1

// Account is what the lead keeps for all bridges.
type Account struct {
	Version int               `json:"version,omitempty"` // of this format; 0 means 1
	Budget  budget.State      `json:"budget"`
	Issued  map[string]uint64 `json:"issued,omitempty"` // tickets ever, by share
	Lead    string            `json:"lead"`             // host of who wrote it last
	Led     time.Time         `json:"led"`              // when
	Live    int               `json:"live"`             // bridges that share
	Short   string            `json:"short,omitempty"`  // why a ticket that is wanted was not issued
	// Starved says that one of those who lack tickets has work for them now.
	Starved bool `json:"starved,omitempty"`
}

// Share is what one bridge keeps.
type Share struct {
	Version int       `json:"version,omitempty"` // of this format; 0 means 1
	Bridge  string    `json:"bridge"`
	Seen    time.Time `json:"seen"` // when the bridge wrote it last
	// Closed says that its bridge has ended or was taken for dead: nothing is issued to
	// it and none of its tickets is used any more.
	Closed bool `json:"closed,omitempty"`
	// Adopted is up to which of the tickets issued to it the share has taken note. Those
	// that it doesn't have are done with.
	Adopted uint64            `json:"adopted"`
	Worst   float64           `json:"worst_usd"`      // the most that one invocation can cost
	Want    map[string]int    `json:"want,omitempty"` // unused tickets, by mailbox with a limit of its own; "" for all others
	Idle    bool              `json:"idle,omitempty"` // it wants them only to begin with
	Most    int               `json:"most"`           // that it could use, if there is plenty
	Tickets map[string]Ticket `json:"tickets,omitempty"`
}

// Ticket is the right to one invocation.
type Ticket struct {
	Mailbox string  `json:"mailbox,omitempty"` // when it has a limit of its own
	USD     float64 `json:"usd"`               // reserved; once it is settled, what it cost
	// Key is the path of the execution that it was used for; an unused ticket has none.
	Key     string    `json:"key,omitempty"`
	Expiry  time.Time `json:"expiry,omitzero"` // of the invocation
	Settled bool      `json:"settled,omitempty"`
}

func (t Ticket) free() bool { return t.Key == "" && !t.Settled }

func (t Ticket) used() bool { return t.Key != "" && !t.Settled }

// settle says what the ticket cost, unless that was said before.
func (s *Share) settle(id string, usd float64) (changed bool) {
	t, ok := s.Tickets[id]
	if !ok || t.Settled {
		return false
	}
	t.Settled, t.USD = true, usd
	s.Tickets[id] = t
	return true
}

// count counts the tickets of which is says so.
func (s *Share) count(is func(Ticket) bool) (n int) {
	for _, t := range s.Tickets {
		if is(t) {
			n++
		}
	}
	return n
}

// freeOf are the unused tickets for a mailbox, in order.
func (s *Share) freeOf(mailbox string) (ids []string) {
	for id, t := range s.Tickets {
		if t.free() && t.Mailbox == mailbox {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return int(number(a)) - int(number(b)) }) //nolint:gosec // far below 2^63
	return ids
}

// close gives back what was not used.
func (s *Share) close() {
	s.Closed, s.Want = true, nil
	for _, id := range slices.Collect(maps.Keys(s.Tickets)) {
		if s.Tickets[id].free() {
			s.settle(id, 0)
		}
	}
}

func (s *Share) clone() Share {
	c := *s
	c.Tickets, c.Want = maps.Clone(s.Tickets), maps.Clone(s.Want)
	if c.Tickets == nil {
		c.Tickets = map[string]Ticket{}
	}
	return c
}

// ticketID names the nth ticket of a share.
func ticketID(share string, n uint64) string { return share + "/" + strconv.FormatUint(n, 10) }

// shareOf is the share that a ticket was issued to.
func shareOf(id string) string { return id[:max(strings.LastIndexByte(id, '/'), 0)] }

func number(id string) uint64 {
	n, _ := strconv.ParseUint(id[strings.LastIndexByte(id, '/')+1:], 10, 64)
	return n
}

// purse is for which mailbox a ticket must be issued that is used for mailbox.
func purse(cfg budget.Config, mailbox string) string {
	if _, limited := cfg.Mailboxes[mailbox]; limited {
		return mailbox
	}
	return ""
}

// Config says when a bridge that says nothing is taken for dead.
type Config struct {
	// Lease is after what silence a bridge is taken for dead: another leads, and what it
	// didn't use of the budget goes back.
	Lease time.Duration `env:"BRIDGE_LEASE" envDefault:"10s"`
}

// minLease leaves time for three signs of life of a second each: locks count in seconds.
const minLease = 3 * time.Second

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	if c.Lease < minLease {
		return settings.Invalid("BRIDGE_LEASE", c.Lease, minLease.String()+" or more")
	}
	return nil
}
