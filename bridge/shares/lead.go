package shares

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Ledger knows what came of invocations; see package delegation.
type Ledger interface {
	Load(context.Context, execution.Key) (delegation.Entry, uint64, error)
}

// Lead is what one of the bridges does for all. Two at once do no harm.
type Lead struct {
	store  Store
	ledger Ledger
	limits budget.Config
	host   string
	cfg    Config
}

// NewLead returns a Lead on host that issues tickets within limits.
func NewLead(store Store, ledger Ledger, limits budget.Config, host string, cfg Config) *Lead {
	return &Lead{store: store, ledger: ledger, limits: limits, host: host, cfg: cfg}
}

// breath is the least time between two rounds: what changes meanwhile is dealt with
// together.
const breath = 5 * time.Millisecond

// Run issues, settles and closes until ctx ends.
func (l *Lead) Run(ctx context.Context) error {
	changed, err := l.store.Watch(ctx, sharePrefix+">")
	if err != nil {
		return err
	}
	ticker := time.NewTicker(l.cfg.Lease / 3)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := l.Tend(ctx); err != nil && !errors.Is(err, ErrStale) && ctx.Err() == nil {
			zerolog.Ctx(ctx).Warn().Err(err).Msg("shares of the budget not tended")
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-changed:
			time.Sleep(breath)
		}
	}
	return nil
}

// Tend does one round.
func (l *Lead) Tend(ctx context.Context) error {
	now := time.Now()
	// What is believed of a share may be old by the time that the account is written.
	// All that counts of it never changes back.
	before, revision, err := load[Account](ctx, l.store, keyAccount)
	if err != nil {
		return err
	}
	shares, revisions, err := allShares(ctx, l.store)
	if err != nil {
		return err
	}
	live := map[string]Share{}
	for _, name := range slices.Sorted(maps.Keys(shares)) {
		s := shares[name]
		if !s.Closed && now.Sub(s.Seen) < l.cfg.Lease {
			live[name] = s
			continue
		}
		if revisions[name], err = l.bury(ctx, name, &s, revisions[name], now); err != nil {
			return err
		}
		shares[name] = s
	}
	a := before
	a.Issued = maps.Clone(before.Issued)
	if a.Issued == nil {
		a.Issued = map[string]uint64{}
	}
	account := budget.Open(l.limits, cloneState(before.Budget))
	changed := settleAll(account, shares, now)
	if l.issue(account, &a, live, now) {
		changed = true
	}
	a.Budget, a.Live = account.State(), len(live)
	over := finished(a.Budget, shares)
	for _, name := range over {
		delete(a.Issued, name)
	}
	if changed || a.Live != before.Live || a.Short != before.Short || a.Starved != before.Starved || now.Sub(before.Led) >= l.cfg.Lease/3 {
		a.Lead, a.Led = l.host, now.UTC()
		if _, err := save(ctx, l.store, keyAccount, a, revision); err != nil {
			return err
		}
	}
	// Only now: nothing but its share says that a ticket is done with.
	for _, name := range over {
		if err := l.store.Delete(ctx, sharePrefix+name, revisions[name]); err != nil {
			return err
		}
	}
	return nil
}

// settleAll takes out of the account what the shares are done with.
func settleAll(account *budget.Account, shares map[string]Share, now time.Time) (changed bool) {
	for id := range maps.Clone(account.State().Open) {
		s, known := shares[shareOf(id)]
		t, adopted := s.Tickets[id]
		switch {
		case adopted && t.Settled:
			changed = account.Settle(now, id, t.USD) || changed
		case known && !adopted && (s.Closed || number(id) <= s.Adopted):
			changed = account.Settle(now, id, 0) || changed // nobody will ever use it
		}
	}
	return changed
}

// issue issues what the live shares want, by turns; and while there is plenty, what they
// could use.
func (l *Lead) issue(account *budget.Account, a *Account, live map[string]Share, now time.Time) (changed bool) {
	a.Short, a.Starved = "", false
	waiting := map[string]map[string]int{} // not yet adopted, by share and mailbox
	for id, r := range account.State().Open {
		if name := shareOf(id); number(id) > live[name].Adopted {
			if waiting[name] == nil {
				waiting[name] = map[string]int{}
			}
			waiting[name][r.Mailbox]++
		}
	}
	names := slices.Sorted(maps.Keys(live))
	give := func(name, mailbox string) bool {
		n := a.Issued[name] + 1
		err := account.Reserve(now, budget.Reservation{ID: ticketID(name, n), Mailbox: mailbox, USD: live[name].Worst})
		if err != nil {
			a.Short = fault.Describe(err).Message
			return false
		}
		a.Issued[name], changed = n, true
		if waiting[name] == nil {
			waiting[name] = map[string]int{}
		}
		waiting[name][mailbox]++
		return true
	}
	rounds := func(wanted func(s Share, mailbox string) int, enough func() bool) {
		for again := true; again; {
			again = false
			for _, name := range names {
				s := live[name]
				for _, mailbox := range slices.Sorted(maps.Keys(s.Want)) {
					if len(s.freeOf(mailbox))+waiting[name][mailbox] < wanted(s, mailbox) && !enough() && give(name, mailbox) {
						again = true
					}
				}
			}
		}
	}
	wanted := func(idle bool) func(Share, string) int {
		return func(s Share, mailbox string) int {
			if s.Idle != idle {
				return 0
			}
			return s.Want[mailbox]
		}
	}
	always := func() bool { return false }
	rounds(wanted(false), always)
	if a.Starved = a.Short != ""; a.Starved {
		return changed
	}
	rounds(wanted(true), always)
	if a.Short == "" {
		rounds(func(s Share, mailbox string) int {
			if mailbox != "" {
				return 0
			}
			return s.Most
		}, func() bool { return !plenty(account, now) })
	}
	return changed
}

// plenty reports whether half of what can be spent at once is free.
func plenty(account *budget.Account, now time.Time) bool {
	for _, left := range account.Report(now) {
		if left.Mailbox == "" && left.Free < left.Limit/4 {
			return false
		}
	}
	return true
}

// bury closes the share of a dead bridge, and settles what it had used as far as it is
// known what that cost. It returns the share's new revision.
func (l *Lead) bury(ctx context.Context, name string, s *Share, revision uint64, now time.Time) (uint64, error) {
	changed := !s.Closed
	c := s.clone()
	c.close()
	for id, t := range c.Tickets {
		if !t.used() {
			continue
		}
		usd, known, err := l.cost(ctx, id, t, now)
		if err != nil {
			return revision, err
		}
		if known && c.settle(id, usd) {
			changed = true
		}
	}
	if !changed {
		return revision, nil
	}
	if !s.Closed {
		zerolog.Ctx(ctx).Warn().Str("bridge", s.Bridge).Dur("silent", now.Sub(s.Seen)).Int("in_flight", c.count(Ticket.used)).
			Msg("bridge taken for dead, its share of the budget goes back")
	}
	revision, err := save(ctx, l.store, sharePrefix+name, c, revision)
	if err == nil {
		*s = c
	}
	return revision, err
}

// late is how much later than its expiry an invocation may be running that was written
// down before: its bridge may have been stopped until then, and asked at the last
// moment. No Lambda runs for longer.
const late = 16 * time.Minute

// cost is what a used ticket cost: what the ledger says, or the most once the invocation
// can't be running any more.
func (l *Lead) cost(ctx context.Context, id string, t Ticket, now time.Time) (usd float64, known bool, err error) {
	k, err := execution.ParsePath(t.Key)
	if err != nil {
		return t.USD, now.After(t.Expiry.Add(late)), nil //nolint:nilerr // nobody can know
	}
	e, _, err := l.ledger.Load(ctx, k)
	if err != nil {
		return 0, false, err
	}
	switch {
	case e.Reservation == id && e.Billed != nil:
		return e.Billed.CostUSD, true, nil
	case e.Reservation == id && e.State == delegation.Refused:
		return 0, true, nil
	case e.Reservation == id && e.State == delegation.Failed:
		return t.USD, true, nil
	}
	// An OUTCOME alone doesn't say that this run is over: it may be another's.
	return t.USD, now.After(t.Expiry.Add(late)), nil
}

// finished are the closed shares of which the account holds nothing any more.
func finished(state budget.State, shares map[string]Share) (names []string) {
	open := map[string]bool{}
	for id := range state.Open {
		open[shareOf(id)] = true
	}
	for name, s := range shares {
		if s.Closed && !open[name] && s.count(Ticket.used) == 0 {
			names = append(names, name)
		}
	}
	return names
}

func cloneState(s budget.State) budget.State {
	s.Debts, s.Open = maps.Clone(s.Debts), maps.Clone(s.Open)
	return s
}
