// Package alarms tells operators what is wrong: by e-mail, webhook or SNS, once for each
// incident and channel.
//
// An incident is kept with what is still to be said of it, so that nothing that was found is
// lost in a crash; what was being said then is said again, under the same ID (see package
// notices). One of several processes finds and tells; the others wait for its lease.
package alarms

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	gomail "github.com/wneessen/go-mail"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/lead"
	"github.com/sagefleet/sagefleet/shared/lock"
)

// lease is how long one who leads may be silent until another does.
const lease = 10 * time.Second

// Alarms finds what is wrong and tells operators.
type Alarms struct {
	js     jetstream.JetStream
	cfg    Config
	file   File
	ways   []way
	book   *notices.Book
	leases *lock.Locker
	budget func(context.Context) ([]Limit, error)
	store  atomic.Pointer[store] // of who leads
}

// Open reads the file of channels and rules and the secrets that it names. host names this
// process. budget may be nil. mail changes how the mail server is reached.
func Open(ctx context.Context, js jetstream.JetStream, book *notices.Book, host string, budget func(context.Context) ([]Limit, error), cfg Config,
	mail ...gomail.Option,
) (*Alarms, error) {
	file, err := cfg.Read()
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, bus.BucketNotices)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bus.BucketNotices, err)
	}
	a := &Alarms{js: js, cfg: cfg, file: file, book: book, budget: budget, leases: lock.New(js, kv, lease, host)}
	a.ways, err = file.open(ctx, cfg.Notify, mail...)
	return a, err
}

// Run leads whenever nobody else does, until ctx ends.
func (a *Alarms) Run(ctx context.Context) error { return lead.Run(ctx, a.leases, a.lead) }

// Counts are how much is still to be said, and the open incidents by rule; false where another
// leads.
func (a *Alarms) Counts() (waiting int, open map[string]int, leads bool) {
	s := a.store.Load()
	if s == nil {
		return 0, nil, false
	}
	waiting, open = s.count()
	return waiting, open, true
}

// lead finds and tells until ctx ends, or somebody else leads.
func (a *Alarms) lead(ctx context.Context) error {
	var names []string
	for _, w := range a.ways {
		names = append(names, w.name)
	}
	s, err := load(ctx, a.js, names)
	if err != nil {
		return err
	}
	w, err := a.watch(ctx, s)
	if err != nil {
		return err
	}
	a.store.Store(s)
	defer a.store.Store(nil)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return w.fleet.Run(ctx) })
	group.Go(func() error { return w.run(ctx, a.cfg.Every) })
	for _, one := range a.ways {
		group.Go(func() error { return newLine(one, s, a.book, a.file, a.cfg).run(ctx) })
	}
	return group.Wait()
}

// watch is all that one who leads looks at.
type watch struct {
	*Alarms
	s        *store
	fleet    *heartbeat.Fleet
	happens  map[string]*happening
	standing map[string]standing
}

func (a *Alarms) watch(ctx context.Context, s *store) (*watch, error) {
	beats, err := a.js.KeyValue(ctx, bus.BucketFleet)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bus.BucketFleet, err)
	}
	w := &watch{Alarms: a, s: s, fleet: heartbeat.NewFleet(beats, nil), happens: happenings(a.js, s.kv), standing: map[string]standing{}}
	for rule, h := range w.happens {
		if a.file.Rules[rule].Off {
			delete(w.happens, rule)
			continue
		}
		if err := h.open(ctx); err != nil {
			return nil, err
		}
	}
	lost := &members{fleet: w.fleet, lost: map[string]time.Time{}, r: a.file.Rules[RuleDown]}
	for name, opened := range s.open(RuleDown) {
		lost.lost[name] = opened.Add(-mostSilent)
	}
	w.standing[RuleDown] = lost.look
	still, err := openStuck(ctx, a.js, a.file.Rules[RuleStuck])
	if err != nil {
		return nil, err
	}
	w.standing[RuleStuck] = still.look
	if w.standing[RuleBacklog], err = backlogs(ctx, a.js, a.file.Rules[RuleBacklog]); err != nil {
		return nil, err
	}
	if a.budget != nil {
		w.standing[RuleBudget] = budgets(a.file.Rules[RuleBudget], a.budget)
	}
	for rule := range w.standing {
		if a.file.Rules[rule].Off {
			delete(w.standing, rule)
		}
	}
	return w, nil
}

// run looks now and then. What can't be looked at is left as it was.
func (w *watch) run(ctx context.Context, every time.Duration) error {
	for {
		for rule, h := range w.happens {
			if err := w.happened(ctx, rule, h); err != nil {
				return err
			}
		}
		for rule, look := range w.standing {
			if err := w.stands(ctx, rule, look); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// patience bounds one look.
const patience = time.Minute

func (w *watch) happened(ctx context.Context, rule string, h *happening) error {
	looking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all, end, err := h.look(looking)
	if err != nil {
		return w.unseen(ctx, rule, err)
	}
	if err := w.s.happened(ctx, rule, w.file.Rules[rule], w.waysOf(rule), all, time.Now().UTC()); err != nil {
		return err
	}
	return h.reached(ctx, end)
}

func (w *watch) stands(ctx context.Context, rule string, look standing) error {
	looking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all, err := look(looking, time.Now().UTC())
	if err != nil {
		return w.unseen(ctx, rule, err)
	}
	return w.s.stands(ctx, rule, w.file.Rules[rule], w.waysOf(rule), all, time.Now().UTC())
}

func (w *watch) unseen(ctx context.Context, rule string, err error) error {
	if ctx.Err() == nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("rule", rule).Msg("can't be looked at")
	}
	return nil
}

// waysOf are the ways that a rule's alarms go.
func (a *Alarms) waysOf(rule string) (names []string) {
	for _, w := range a.ways {
		if slices.Contains(a.file.Rules[rule].Channels, w.channel) {
			names = append(names, w.name)
		}
	}
	return names
}
