// Package reconcile finds what a crash, a lost message or a lost reply left
// undone, and does it: outcomes that were not recorded, told or dead-lettered, and
// accepted work that is on no queue any more.
//
// One of several bridges does it, the one that leads, but nothing depends on that: every
// act is one that may be done twice. Work that merely waits is never touched.
//
// What a sweep costs is bounded, and grows with how much happens, not with how
// much has ever happened: records are read once, when they have not changed for a
// while, and the listings of storage go on where the last sweep left them.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Config says how often and how much.
type Config struct {
	// Every is the time between two sweeps; 0 turns the reconciler off.
	Every time.Duration `env:"RECONCILE_EVERY" envDefault:"30s"`
	// Grace is how long something must have been as it is before it is looked at.
	Grace time.Duration `env:"RECONCILE_GRACE" envDefault:"2m"`
	// How old a stored request or outcome may be to be looked at; less than STATE_TTL,
	// after which an outcome has no record any more.
	Window time.Duration `env:"RECONCILE_WINDOW" envDefault:"12h"`
	// List is how many objects one sweep lists of the inputs, and of the outcomes.
	List int `env:"RECONCILE_LIST" envDefault:"20000"`
	// Batch is how many executions of each kind one sweep looks at closely.
	Batch int `env:"RECONCILE_BATCH" envDefault:"1000"`
}

// Validate refuses values that can't work, by variable. stateTTL is how long
// records outlive their executions.
func (c Config) Validate(stateTTL time.Duration) error {
	switch {
	case c.Every != 0 && c.Every < time.Second:
		return settings.Invalid("RECONCILE_EVERY", c.Every, "1s or more, or 0 to turn it off")
	case c.Grace <= 0:
		return settings.Invalid("RECONCILE_GRACE", c.Grace, "a positive duration")
	case c.Window <= c.Grace || c.Window >= stateTTL:
		return settings.Invalid("RECONCILE_WINDOW", c.Window, "more than RECONCILE_GRACE and less than STATE_TTL")
	case c.List < 1:
		return settings.Invalid("RECONCILE_LIST", c.List, "1 or more")
	case c.Batch < 1:
		return settings.Invalid("RECONCILE_BATCH", c.Batch, "1 or more")
	}
	return nil
}

// Reconciler repairs. It is not safe for concurrent use; several of them are.
type Reconciler struct {
	js       jetstream.JetStream
	locks    *lock.Locker // of executions
	states   *state.Store
	objects  storage.Store
	outcomes *outcome.Store
	events   *event.Publisher
	ending   *guard.Ending
	ledger   *delegation.Ledger
	stateTTL time.Duration
	host     string
	cfg      Config

	memory
}

// memory is what one sweep leaves to the next. Losing it costs a rotation.
type memory struct {
	sweeper  *queue.Sweeper
	records  mark
	revision uint64 // up to which the records were read
	suspects suspects
	round    time.Time // suspects looked at after that wait for the others
	invoked  invocations
	requests rotation
	ends     rotation
}

// New returns a Reconciler that runs on host. It opens the fleet's buckets and
// starts nothing.
func New(ctx context.Context, js jetstream.JetStream, objects storage.Store, fleet bus.Config, stateTTL time.Duration, host string, cfg Config) (*Reconciler, error) {
	buckets := map[string]jetstream.KeyValue{}
	for _, name := range []string{bus.BucketLocks, bus.BucketState, bus.BucketDelegations} {
		kv, err := js.KeyValue(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("open bucket %s: %w", name, err)
		}
		buckets[name] = kv
	}
	states, events := state.New(js, buckets[bus.BucketState], stateTTL), event.New(js, bus.SubjectEvent)
	r := &Reconciler{js: js, objects: objects, outcomes: outcome.New(objects), states: states, events: events,
		locks:  lock.New(js, buckets[bus.BucketLocks], fleet.LockTTL(), host),
		ending: guard.NewEnding(states, events, host), ledger: delegation.New(js, buckets[bus.BucketDelegations], stateTTL), stateTTL: stateTTL, host: host, cfg: cfg}
	r.Reset()
	return r, nil
}

// Reset forgets what earlier sweeps saw, and lets go of the listings they left open.
func (r *Reconciler) Reset() {
	r.requests.stop()
	r.ends.stop()
	held := func(ctx context.Context, k execution.Key) (bool, error) { return r.locks.Held(ctx, k.Path()) }
	r.memory = memory{sweeper: queue.NewSweeper(r.js, r.cfg.Grace, held), records: mark{bucket: bus.BucketState}, suspects: suspects{},
		invoked:  invocations{entries: mark{bucket: bus.BucketDelegations}, open: map[execution.Key]bool{}},
		requests: rotation{grace: r.cfg.Grace}, ends: rotation{grace: r.cfg.Grace}}
}

// On reports whether there is anything to do for Run.
func (r *Reconciler) On() bool { return r.cfg.Every > 0 }

// Run sweeps until ctx ends.
func (r *Reconciler) Run(ctx context.Context) error {
	if !r.On() {
		<-ctx.Done()
		return nil
	}
	r.Reset()
	defer r.Reset()
	for ctx.Err() == nil {
		began := time.Now()
		done, err := r.Sweep(ctx)
		if ctx.Err() == nil {
			done.log(ctx, time.Since(began), err)
		}
		pause(ctx, r.cfg.Every)
	}
	return nil
}

func pause(ctx context.Context, wait time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

// Summary counts what a sweep saw and did.
type Summary struct {
	Records  int // read
	Listed   int // objects
	Suspects int // executions that may need help, after the sweep
	Repaired int // outcomes recorded, told or dead-lettered
	Requeued int // executions put back on the queue
	Moved    int // messages that nobody would have been handed
	Stranded int // executions without a message, an outcome or a request
	Closed   int // delegations of which nobody wrote down the end
}

func (s Summary) log(ctx context.Context, took time.Duration, err error) {
	event := zerolog.Ctx(ctx).Debug()
	switch {
	case err != nil:
		event = zerolog.Ctx(ctx).Warn().Err(err)
	case s.Repaired+s.Requeued+s.Moved+s.Stranded+s.Closed > 0:
		event = zerolog.Ctx(ctx).Info()
	}
	event.Int("records", s.Records).Int("listed", s.Listed).Int("suspects", s.Suspects).Int("repaired", s.Repaired).
		Int("requeued", s.Requeued).Int("moved", s.Moved).Int("stranded", s.Stranded).Int("closed", s.Closed).Dur("took", took).Msg("reconciled")
}

// Sweep looks at the next part of everything. What one part finds wrong does not
// keep it from the others.
func (r *Reconciler) Sweep(ctx context.Context) (Summary, error) {
	var done Summary
	moved, err := r.sweeper.Sweep(ctx, r.cfg.Batch)
	done.Moved = len(moved)
	for _, subject := range moved {
		zerolog.Ctx(ctx).Warn().Str("subject", subject).Msg("stranded message moved")
	}
	err = errors.Join(err, r.readRecords(ctx, &done), r.listRequests(ctx, &done), r.listOutcomes(ctx, &done), r.help(ctx, &done), r.closeDelegations(ctx, &done))
	done.Suspects = len(r.suspects)
	return done, err
}
