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
	wrote  time.Time // when it last wrote the account
}

// NewLead returns a Lead on host that issues tickets within limits.
func NewLead(store Store, ledger Ledger, limits budget.Config, host string, cfg Config) *Lead {
	return &Lead{store: store, ledger: ledger, limits: limits, host: host, cfg: cfg}
}

// breath is the least time between two rounds: what changes meanwhile is dealt with
// together.
const breath = 5 * time.Millisecond

// Run issues, settles and closes until ctx ends, or it can't read what a newer bridge has
// written: then that one should lead.
func (l *Lead) Run(ctx context.Context) error {
	changed, err := l.store.Watch(ctx, sharePrefix+">")
	if err != nil {
		return err
	}
	ticker := time.NewTicker(l.cfg.Lease / 3)
	defer ticker.Stop()
	for ctx.Err() == nil {
		err := l.Tend(ctx)
		if errors.Is(err, execution.ErrNewer) {
			return err
		}
		if err != nil && !errors.Is(err, ErrStale) && ctx.Err() == nil {
			zerolog.Ctx(ctx).Warn().Err(err).Msg("shares of the budget not tended")
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-changed:
		}
		time.Sleep(breath)
		forget(ticker.C)
		forget(changed)
	}
	return nil
}

// forget takes what is on its way: the round that follows is for that too.
func forget[T any](signal <-chan T) {
	select {
	case <-signal:
	default:
	}
}

// Tend does one round.
func (l *Lead) Tend(ctx context.Context) error {
	// What is believed of a share may be old by the time that the account is written.
	// All that counts of it never changes back.
	before, err := load[Account](ctx, l.store, keyAccount)
	if err != nil {
		return err
	}
	all, err := allShares(ctx, l.store)
	if err != nil {
		return err
	}
	now := clock(before, all)
	shares, live, err := l.sort(ctx, all, now)
	if err != nil {
		return err
	}
	a := before.value
	a.Issued = maps.Clone(a.Issued)
	if a.Issued == nil {
		a.Issued = map[string]uint64{}
	}
	account := budget.Open(l.limits, cloneState(a.Budget))
	changed := settleAll(account, shares, now)
	if newIssue(account, &a, live, now).all() {
		changed = true
	}
	a.Budget, a.Live = account.State(), len(live)
	over := finished(a.Budget, shares)
	for _, name := range over {
		delete(a.Issued, name)
	}
	changed = changed || a.Live != before.value.Live || a.Short != before.value.Short || a.Starved != before.value.Starved
	if changed || time.Since(l.wrote) >= l.cfg.Lease/4 { // each round of the ticker
		a.Lead, a.Led = l.host, time.Now().UTC()
		if _, err := save(ctx, l.store, keyAccount, a, before.revision); err != nil {
			return err
		}
		l.wrote = time.Now()
	}
	// Only now: nothing but its share says that a ticket is done with.
	for _, name := range over {
		if err := l.store.Delete(ctx, sharePrefix+name, all[name].revision); err != nil {
			return err
		}
	}
	return nil
}

// clock is the time by the store's clock, or a little before: when anything was last
// written. Leads take turns, and one whose own clock is ahead, or was set, would take
// debts for paid off.
func clock(account stored[Account], shares map[string]stored[Share]) time.Time {
	latest := account.written
	for _, s := range shares {
		if s.written.After(latest) {
			latest = s.written
		}
	}
	if latest.IsZero() {
		return time.Now() // there is nothing yet that could be paid off
	}
	return latest
}

// sort tells those who live from all shares, and closes those of the others. What it
// wrote is in all.
func (l *Lead) sort(ctx context.Context, all map[string]stored[Share], now time.Time) (shares, live map[string]Share, err error) {
	shares, live = map[string]Share{}, map[string]Share{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		if !s.value.Closed && now.Sub(s.written) < l.cfg.Lease {
			live[name] = s.value
		} else if s.revision, err = l.bury(ctx, name, &s.value, s.revision, now); err != nil {
			return nil, nil, err
		}
		all[name], shares[name] = s, s.value
	}
	return shares, live, nil
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

// bury closes the share of a dead bridge, and settles what it had used as far as it is
// known what that cost. It returns the share's new revision.
func (l *Lead) bury(ctx context.Context, name string, s *Share, revision uint64, now time.Time) (uint64, error) {
	changed := !s.Closed
	c := s.clone()
	c.close()
	for _, id := range slices.Sorted(maps.Keys(c.Tickets)) {
		t := c.Tickets[id]
		if !t.used() {
			continue
		}
		usd, known, err := l.cost(ctx, id, t, time.Now())
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
		zerolog.Ctx(ctx).Warn().Str("bridge", s.Bridge).Time("seen", s.Seen).Int("in_flight", c.count(Ticket.used)).
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
	slices.Sort(names)
	return names
}

func cloneState(s budget.State) budget.State {
	s.Debts, s.Open = maps.Clone(s.Debts), maps.Clone(s.Open)
	return s
}
