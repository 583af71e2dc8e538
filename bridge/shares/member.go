package shares

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Member is one bridge's part in the budget. It writes its share for many reservations
// at once. It is safe for concurrent use.
type Member struct {
	store  Store
	limits budget.Config
	worst  float64
	slots  int
	host   string
	cfg    Config
	asked  chan *ask

	mu      sync.Mutex   // of what Open and Room are told
	left    int          // unused tickets, without those of mailboxes with limits of their own
	using   int          // tickets in use
	short   string       // why there are no more
	empty   time.Time    // since when none is left; zero while some are
	refused time.Time    // when a mailbox last had none left of its own
	spent   budget.State // as the lead last wrote it; never changed
	heard   time.Time    // when it last did, or this one began

	onShared func(bridges int)

	// What follows belongs to Run.
	share    Share
	revision uint64
	account  Account
	accountR uint64
	dirty    bool               // what the store holds of the share isn't known
	active   map[string]bool    // tickets that somebody was given
	costs    map[string]float64 // of what was settled and isn't written yet
	waiting  []*ask
	recent   [2]int // reservations asked for in this second and the last
}

// ask is a reservation that is wanted, or a settlement, which has no key.
type ask struct {
	key    string
	purse  string // the mailbox, when it has a limit of its own
	expiry time.Time
	until  time.Time // it waits for a ticket

	id  string // that was given, or is settled
	usd float64

	done chan error
}

// NewMember returns the Member of the bridge on host, whose invocations, at most slots
// at once, cost at most worst USD each.
func NewMember(store Store, limits budget.Config, worst float64, slots int, host string, cfg Config) *Member {
	return &Member{store: store, limits: limits, worst: worst, slots: slots, host: host, cfg: cfg,
		asked: make(chan *ask), active: map[string]bool{}, costs: map[string]float64{}}
}

// OnShared has f called with the number of bridges that share when it changes; before
// Run.
func (m *Member) OnShared(f func(bridges int)) { m.onShared = f }

// ticketPatience is how long a reservation waits for the lead to issue a ticket.
const ticketPatience = 250 * time.Millisecond

// busyFor is how long work stays away for which there is no ticket. It is short: workers
// may take it.
const busyFor = 250 * time.Millisecond

// Reserve uses a ticket for an invocation of k that can't be running after expiry, and
// returns its name. It returns a *execution.BusyError when there is none, and an empty
// name when there is no limit.
func (m *Member) Reserve(ctx context.Context, k execution.Key, expiry time.Time) (string, error) {
	if !m.limits.Limited() {
		return "", nil
	}
	a := &ask{key: k.Path(), purse: purse(m.limits, k.Mailbox), expiry: expiry, until: time.Now().Add(ticketPatience)}
	if err := m.ask(ctx, a); err != nil {
		return "", &execution.BusyError{For: busyFor, Err: err}
	}
	return a.id, nil
}

// Settle says what the invocation that a ticket was used for did cost, in USD. It
// doesn't wait until that is written: if it never is, the ledger says the same.
func (m *Member) Settle(ctx context.Context, id string, usd float64) error {
	return m.ask(ctx, &ask{id: id, usd: usd})
}

// ask has Run do it.
func (m *Member) ask(ctx context.Context, a *ask) error {
	a.done = make(chan error, 1)
	select {
	case m.asked <- a:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// Run answers everything that it took. Who doesn't wait for the answer would not
	// know what was reserved.
	return <-a.done
}

// Run keeps the share until ctx ends, and then as long as reservations are open that
// work under way may settle: until drained is closed. Then it gives back what is left.
func (m *Member) Run(ctx context.Context, drained <-chan struct{}) error {
	quiet := context.WithoutCancel(ctx)
	watching, stop := context.WithCancel(quiet)
	defer stop()
	changed, err := m.store.Watch(watching, keyAccount)
	if err != nil {
		return err
	}
	pulse := time.NewTicker(m.cfg.Lease / 3)
	defer pulse.Stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	m.begin()
	m.hear()
	m.refresh(quiet)
	m.write(quiet, true)
	for {
		var patience <-chan time.Time
		if len(m.waiting) > 0 {
			patience = time.After(time.Until(m.waiting[0].until))
		}
		var e events
		select {
		case <-drained:
			return m.leave(quiet)
		case a := <-m.asked:
			e.asks = append(e.asks, a)
		case <-changed:
			e.changed = true
		case <-pulse.C:
			e.beat = true
		case <-second.C:
			e.second = true
		case <-patience:
		}
		e.more(m.asked, changed, pulse.C, second.C)
		if e.second {
			m.recent = [2]int{0, m.recent[0]}
		}
		for _, a := range e.asks {
			m.take(a)
		}
		if e.changed || e.beat {
			m.refresh(quiet)
		}
		m.write(quiet, e.beat)
	}
}

// events are what happened while a share was being written: one write does for all.
type events struct {
	asks                  []*ask
	changed, beat, second bool
}

// more takes what else has happened by this moment.
func (e *events) more(asked <-chan *ask, changed <-chan struct{}, pulse, second <-chan time.Time) {
	for {
		select {
		case a := <-asked:
			e.asks = append(e.asks, a)
		case <-changed:
			e.changed = true
		case <-pulse:
			e.beat = true
		case <-second:
			e.second = true
		default:
			return
		}
	}
}

func (m *Member) take(a *ask) {
	if a.key == "" {
		m.costs[a.id] = a.usd
		a.done <- nil
		return
	}
	m.waiting = append(m.waiting, a)
	m.recent[0]++
}

// begin begins a share under a name that no share had before.
func (m *Member) begin() {
	name := m.host + "_" + strings.ToLower(rand.Text()[:8])
	m.share, m.revision = Share{Bridge: name, Worst: m.worst}, 0
}

func (m *Member) key() string { return sharePrefix + m.share.Bridge }

// refresh reads the account. One that is older than what was read before says nothing.
func (m *Member) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	read, err := load[Account](ctx, m.store, keyAccount)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("account of the budget not read")
		return
	}
	if read.revision <= m.accountR {
		return
	}
	m.hear()
	if live := read.value.Live; m.onShared != nil && live > 0 && live != m.account.Live {
		m.onShared(live)
	}
	m.account, m.accountR = read.value, read.revision
}

const (
	writePatience = 5 * time.Second
	writeTries    = 5
)

// write does what was asked for, as far as there are tickets, and answers once the
// store has it.
func (m *Member) write(ctx context.Context, beat bool) {
	var served []*ask
	wrote := false
	err := m.change(ctx, func(next *Share) bool {
		settled := m.settle(next)
		served = m.serve(next)
		wrote = m.tidy(next) || len(served) > 0 || settled || beat
		return wrote
	})
	patient := time.Now()
	switch {
	case err != nil:
		zerolog.Ctx(ctx).Warn().Err(err).Msg("share of the budget not written")
		patient = patient.Add(ticketPatience) // nobody may wait for a store that is away
	case wrote:
		clear(m.costs)
		m.answer(served)
	}
	m.publish()
	m.refuse(patient)
}

// leave closes the share: what was not used goes back at once.
func (m *Member) leave(ctx context.Context) error {
	err := m.change(ctx, func(next *Share) bool {
		next.close()
		return m.revision > 0 // else it was closed by another, and there is no other yet
	})
	if err != nil {
		return fmt.Errorf("give the share of the budget back: %w", err)
	}
	return nil
}

// change has the store hold what revise makes of the share, unless that says that there is
// nothing to change. It may be called again for what others have made of the share
// meanwhile.
func (m *Member) change(ctx context.Context, revise func(next *Share) bool) error {
	ctx, cancel := context.WithTimeout(ctx, writePatience)
	defer cancel()
	var err error
	for range writeTries {
		if m.dirty {
			if err := m.reload(ctx); err != nil {
				return err
			}
		}
		next := m.share.clone()
		if !revise(&next) {
			return nil
		}
		next.Seen = time.Now().UTC()
		var revision uint64
		if revision, err = save(ctx, m.store, m.key(), next, m.revision); err == nil {
			m.share, m.revision = next, revision
			return nil
		}
		if m.dirty = true; !errors.Is(err, ErrStale) {
			return err
		}
	}
	return err
}

// reload reads what the store holds of the share. One that was closed, because this
// bridge was silent for too long, is left behind. So is one that isn't there: the first
// write may have been done and undone meanwhile, and then its tickets had their time.
func (m *Member) reload(ctx context.Context) error {
	found, err := load[Share](ctx, m.store, m.key())
	if err != nil {
		return err
	}
	switch {
	case found.revision == 0 && m.revision == 0:
		m.begin()
	case found.revision == 0 || found.value.Closed:
		zerolog.Ctx(ctx).Warn().Str("share", m.share.Bridge).Msg("share of the budget was closed: this bridge was taken for dead")
		m.begin()
	default:
		m.share, m.revision = found.value, found.revision
	}
	m.dirty = false
	return nil
}

// answer tells who was served.
func (m *Member) answer(served []*ask) {
	for _, a := range served {
		m.active[a.id] = true
		a.done <- nil
	}
	m.drop(served)
}

func (m *Member) drop(gone []*ask) {
	is := map[*ask]bool{}
	for _, a := range gone {
		is[a] = true
	}
	left := m.waiting[:0]
	for _, a := range m.waiting {
		if !is[a] {
			left = append(left, a)
		}
	}
	clear(m.waiting[len(left):])
	m.waiting = left
}

// refuse answers those whose patience is over at a time.
func (m *Member) refuse(at time.Time) {
	var gone []*ask
	for _, a := range m.waiting {
		if a.until.After(at) {
			continue
		}
		if a.purse != "" {
			m.purseEmpty()
		}
		reason := m.account.Short
		if reason == "" {
			reason = "no share of the budget was granted in time"
		}
		a.done <- fault.New(budget.CodeExhausted, "%s", reason).Advise("it executes on workers; room comes back with time")
		gone = append(gone, a)
	}
	m.drop(gone)
}
