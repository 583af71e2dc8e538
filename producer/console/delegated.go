package console

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
)

const (
	delegatedEvery    = 2 * time.Second
	delegatedPatience = 5 * time.Second
	delegatedShown    = 5
)

// delegated knows which delegations aren't over, for all who look and while somebody
// does: it reads what has changed since the last time.
type delegated struct {
	ledger *delegation.Ledger

	mu       sync.Mutex
	revision uint64 // up to which the ledger was read
	whole    bool   // it was once read to its end
	until    time.Time
	open     map[execution.Key]delegation.Entry
}

func newDelegated(l *delegation.Ledger) *delegated {
	return &delegated{ledger: l, open: map[execution.Key]delegation.Entry{}}
}

// delegatedView counts the delegations whose run may be going on.
type delegatedView struct {
	Live    int
	Unknown int // of them, nobody waits for the answer
	Oldest  []delegatedRow
}

// delegatedRow is one of them.
type delegatedRow struct {
	delegation.Entry
	URL, Text string
}

// of returns what v may see; nil when nobody can say.
func (d *delegated) of(v *visit) *delegatedView {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !v.now.Before(d.until) {
		if err := d.read(v.Context()); err != nil {
			zerolog.Ctx(v.Context()).Warn().Err(err).Msg("delegations not read")
		}
		d.until = v.now.Add(delegatedEvery)
	}
	if !d.whole {
		return nil
	}
	var view delegatedView
	var live []delegation.Entry
	for k, e := range d.open {
		if !e.Live(v.now) {
			if v.now.After(e.Expiry.Add(time.Hour)) {
				delete(d.open, k) // whoever should have closed it is gone
			}
			continue
		}
		if !v.who.May(access.Viewer, k.Mailbox) {
			continue
		}
		view.Live++
		if e.State == delegation.Unknown {
			view.Unknown++
		}
		live = append(live, e)
	}
	slices.SortFunc(live, func(a, b delegation.Entry) int {
		return cmp.Or(a.Invoked.Compare(b.Invoked), cmp.Compare(a.Path(), b.Path()))
	})
	for _, e := range live[:min(len(live), delegatedShown)] {
		view.Oldest = append(view.Oldest, delegatedRow{e, executionURL(e.Mailbox, e.ID), delegationText(v.words, e, v.now)})
	}
	return &view
}

// read takes in what has changed. What was read stays read when it fails.
func (d *delegated) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, delegatedPatience)
	defer cancel()
	for e, err := range d.ledger.Since(ctx, d.revision) {
		if err != nil {
			return err
		}
		d.revision = e.Revision
		if e.State.Over() {
			delete(d.open, e.Key)
		} else {
			d.open[e.Key] = e.Entry
		}
	}
	d.whole = true
	return nil
}

// delegationText says in words where a delegation stands.
func delegationText(w *words, e delegation.Entry, now time.Time) string {
	if !e.State.Over() && !e.Live(now) {
		return w.T("delegation.lapsed", e.Bridge)
	}
	return w.T("delegation."+string(e.State), e.Bridge)
}

// delegationStep puts the last delegation of an execution on its timeline.
func (c *Console) delegationStep(v *visit, e *executionView) error {
	if c.parts.Delegations == nil {
		return nil
	}
	entry, _, err := c.parts.Delegations.Load(v.Context(), e.Key)
	if err != nil || entry.State == "" {
		return err
	}
	s := step{At: entry.Invoked, Tone: "cloud", Text: delegationText(v.words, entry, v.now)}
	if !e.Enqueued.IsZero() && entry.Invoked.After(e.Enqueued) {
		s.After = "+" + v.words.took(entry.Invoked.Sub(e.Enqueued))
	}
	if entry.Reason != "" {
		s.Reasons = []string{entry.Reason}
	}
	cost := "≤ " + v.words.usd(entry.ReservedUSD)
	if entry.Billed != nil {
		cost = v.words.usd(entry.Billed.CostUSD)
	}
	s.Numbers = v.words.T("delegation.when", clock(entry.Invoked), clock(entry.Updated), clock(entry.Expiry), cost)
	at, _ := slices.BinarySearchFunc(e.Steps, s, func(a, b step) int { return cmp.Or(a.At.Compare(b.At), -1) })
	e.Steps = slices.Insert(e.Steps, at, s)
	return nil
}
