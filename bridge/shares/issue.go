package shares

import (
	"maps"
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// issue issues tickets in one round of the lead.
type issue struct {
	account *budget.Account
	a       *Account
	live    map[string]Share
	names   []string
	now     time.Time
	waiting map[string]map[string]int // not yet adopted, by share and mailbox
	changed bool
}

func newIssue(account *budget.Account, a *Account, live map[string]Share, now time.Time) *issue {
	i := &issue{account: account, a: a, live: live, now: now, names: slices.Sorted(maps.Keys(live)), waiting: map[string]map[string]int{}}
	for id, r := range account.State().Open {
		if name := shareOf(id); number(id) > live[name].Adopted {
			i.await(name, r.Mailbox)
		}
	}
	return i
}

func (i *issue) await(name, mailbox string) {
	if i.waiting[name] == nil {
		i.waiting[name] = map[string]int{}
	}
	i.waiting[name][mailbox]++
}

// all issues what those who have work want, then what the others want to begin with, and
// while there is plenty, what all could use. It reports whether it issued anything.
func (i *issue) all() (changed bool) {
	i.a.Short, i.a.Starved = "", false
	always := func() bool { return true }
	i.rounds(wanted(false), always)
	if i.a.Starved = i.a.Short != ""; i.a.Starved {
		return i.changed
	}
	i.rounds(wanted(true), always)
	if i.a.Short == "" {
		i.rounds(useful, i.plenty)
	}
	return i.changed
}

// rounds issues a ticket to each share by turns, until each has as many as says most, while
// may allows it and there is money.
func (i *issue) rounds(most func(s Share, mailbox string) int, may func() bool) {
	for again := true; again; {
		again = false
		for _, name := range i.names {
			s := i.live[name]
			for _, mailbox := range slices.Sorted(maps.Keys(s.Want)) {
				has := len(s.freeOf(mailbox)) + i.waiting[name][mailbox]
				if has < most(s, mailbox) && may() && i.give(name, mailbox) {
					again = true
				}
			}
		}
	}
}

// wanted is how many unused tickets a share wants, of those that are idle or of the others.
func wanted(idle bool) func(Share, string) int {
	return func(s Share, mailbox string) int {
		if s.Idle != idle {
			return 0
		}
		return s.Want[mailbox]
	}
}

// useful is how many a share could use.
func useful(s Share, mailbox string) int {
	if mailbox != "" {
		return 0
	}
	return s.Most
}

// give issues one ticket, if the account has what it may cost.
func (i *issue) give(name, mailbox string) bool {
	n := i.a.Issued[name] + 1
	err := i.account.Reserve(i.now, budget.Reservation{ID: ticketID(name, n), Mailbox: mailbox, USD: i.live[name].Worst})
	if err != nil {
		i.a.Short = fault.Describe(err).Message
		return false
	}
	i.a.Issued[name], i.changed = n, true
	i.await(name, mailbox)
	return true
}

// plenty reports whether half of what can be spent at once is free.
func (i *issue) plenty() bool {
	for _, left := range i.account.Report(i.now) {
		if left.Mailbox == "" && left.Free < left.Limit/4 {
			return false
		}
	}
	return true
}
