// Package guard lets one executor at a time work on an execution and records
// what comes of it.
//
// It is the middle of the commit protocol: an execution that has ended is
// answered from its outcome, one that is held elsewhere is left alone, attempts
// are counted and bounded, and the record is written from the outcome that
// stands. None of it decides which result counts: that is the write-once outcome.
package guard

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/state"
)

// Codes of executions that ended because their budgets did.
const (
	CodeExhausted fault.Code = "ATTEMPTS_EXHAUSTED"
	CodePoison    fault.Code = "POISON"
	// CodeGeneration refuses a generation that no redrive opened.
	CodeGeneration fault.Code = "GENERATION"
)

// Config bounds the attempts.
type Config struct {
	// MaxAttempts is how many attempts may fail before the execution is DEAD.
	MaxAttempts int `env:"MAX_ATTEMPTS" envDefault:"5"`
	// MaxCrashes is how many attempts may end without a word, because the
	// process died, before the execution is taken for a poison message.
	MaxCrashes int `env:"MAX_CRASHES" envDefault:"3"`
	// Timeout is how long one attempt may take; 0 is no limit. It counts as a
	// failed attempt then, and is retried.
	Timeout time.Duration `env:"EXECUTION_TIMEOUT" envDefault:"1h"`
	// The same for requests of a class, such as bulk:2h,urgent:1m. Other classes
	// have EXECUTION_TIMEOUT.
	ClassTimeouts map[string]time.Duration `env:"CLASS_TIMEOUTS"`
	// StateTTL is how long records of ended executions are kept.
	StateTTL time.Duration `env:"STATE_TTL" envDefault:"24h"`
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case c.MaxAttempts < 1:
		return settings.Invalid("MAX_ATTEMPTS", c.MaxAttempts, "1 or more")
	case c.MaxCrashes < 1:
		return settings.Invalid("MAX_CRASHES", c.MaxCrashes, "1 or more")
	case c.StateTTL < time.Second:
		return settings.Invalid("STATE_TTL", c.StateTTL, "1s or more")
	}
	return c.validateTimeouts()
}

// Events tells what happened; see package event.
type Events interface {
	Publish(kind string, e execution.Event) (stored func(context.Context) error)
}

// Guard is an Executor around another.
type Guard struct {
	locks    *lock.Locker
	states   *state.Store
	outcomes *outcome.Store
	events   Events
	next     execution.Executor
	cfg      Config
	who      Identity
	ledger   Delegations
	pace     pace
	watcher  Watcher // may be nil
}

// Identity says who works, in records and events.
type Identity struct {
	Executor string // execution.OnWorker or OnLambda
	Host     string
	// Delegates says that it has a Lambda do the work, and so never begins while
	// another invocation may be doing it.
	Delegates bool
}

// New returns a Guard around next.
func New(locks *lock.Locker, states *state.Store, ledger Delegations, outcomes *outcome.Store, events Events,
	next execution.Executor, who Identity, cfg Config) *Guard {
	return &Guard{locks: locks, states: states, ledger: ledger, outcomes: outcomes, events: events, next: next, who: who, cfg: cfg}
}

// Execute carries out a, unless it has ended or somebody else is at it. It returns
// the outcome that stands, a *execution.BusyError, a *execution.RetryError, or a
// permanent fault when the message itself must be refused: the execution it
// names is another's.
func (g *Guard) Execute(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	k := a.Request.Key()
	stands, err := g.outcomes.Read(ctx, k)
	if err == nil && a.Early {
		return stands, nil // told and recorded by whoever ended it, or when its turn comes
	}
	if err == nil {
		return g.answer(ctx, a, stands)
	}
	if !errors.Is(err, outcome.ErrNone) {
		return execution.Outcome{}, busy(err)
	}
	if err := g.checkGeneration(ctx, a.Request); err != nil {
		return execution.Outcome{}, err
	}
	failpoint.Hit(failpoint.NoOutcome)
	lease, err := g.locks.Acquire(ctx, k.Path())
	if held, ok := errors.AsType[*lock.HeldError](err); ok {
		return execution.Outcome{}, &execution.BusyError{For: untilReleased(held.Remaining, a.Deliveries), Err: err}
	}
	if err != nil {
		return execution.Outcome{}, busy(err)
	}
	failpoint.Hit(failpoint.Locked)
	o, err := g.attempt(ctx, a, lease)
	if err != nil {
		g.release(ctx, lease)
	}
	return o, err // with an outcome standing nobody asks for the lock any more, and it expires
}

// attempt carries out a under lease.
func (g *Guard) attempt(ctx context.Context, a execution.Attempt, lease *lock.Lease) (execution.Outcome, error) {
	a.Token = lease.Token
	r, revision, err := g.begin(ctx, &a)
	if ended, ok := errors.AsType[*endedError](err); ok {
		return g.answer(ctx, a, ended.outcome)
	}
	if err != nil {
		return execution.Outcome{}, err
	}
	failpoint.Hit(failpoint.Recorded)
	started := g.start(a, r)
	g.began(a)
	if cause := g.spent(r); cause != nil {
		started.now()
		return g.bury(ctx, a, r, revision, cause)
	}
	held, stop := lease.Keep(ctx)
	work, end := g.cfg.limit(held, a.Request)
	began := time.Now()
	o, err := g.next.Execute(work, a)
	cause := context.Cause(work)
	end()
	stop()
	if err != nil {
		started.now()
		return g.fail(ctx, a, r, revision, blame(err, cause))
	}
	g.pace.took(time.Since(began))
	if !mine(a, o) {
		g.superseded(ctx, a, r, o.Usage)
		o.Usage = nil
	}
	g.endedBy(a, o)
	if err := started.ended(ctx, o, mine(a, o)); err != nil {
		return execution.Outcome{}, busy(err)
	}
	return g.settle(ctx, a, r, revision, o)
}

// untilReleased is how long to leave alone what somebody else works on: most work
// ends long before its lock would expire, and the longer it takes, the less often
// it is asked about.
func untilReleased(remaining time.Duration, deliveries int) time.Duration {
	const first, doublings = 200 * time.Millisecond, 10
	return min(remaining, first<<min(max(deliveries-1, 0), doublings))
}

// busy says that the fleet's own stores can't be used: nobody's attempt failed. A
// store that will never be usable is no reason to wait.
func busy(err error) error {
	if fault.IsPermanent(err) {
		return err
	}
	return &execution.BusyError{For: time.Second, Err: err}
}

func (g *Guard) release(ctx context.Context, lease *lock.Lease) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := lease.Release(ctx); err != nil && !errors.Is(err, lock.ErrLost) {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("lock left to expire")
	}
	failpoint.Hit(failpoint.Unlocked)
}

// checkGeneration refuses a generation above 1 unless the one before is DEAD:
// only a redrive opens one, only after that, and of the same content.
func (g *Guard) checkGeneration(ctx context.Context, r execution.Request) error {
	before := r.Key()
	if before.Generation == 1 {
		return nil
	}
	before.Generation--
	o, err := g.outcomes.Read(ctx, before)
	switch {
	case err == nil && o.Kind == execution.Dead && o.RequestDigest != r.Digest():
		return execution.Conflict(r.Key())
	case err == nil && o.Kind == execution.Dead:
		return nil
	case err != nil && !errors.Is(err, outcome.ErrNone):
		return busy(err)
	}
	return fault.New(CodeGeneration, "generation %d was not opened by a redrive", r.Generation).
		Expecting("generation %d to be DEAD", before.Generation).
		Advise("leave generation out").Permanent()
}

// endedError says that the execution ended between the first look at its outcome
// and the lock.
type endedError struct{ outcome execution.Outcome }

func (e *endedError) Error() string { return "ended meanwhile" }

// begin records that a runs, and counts an earlier attempt that ended without a
// word. It completes a with its number.
func (g *Guard) begin(ctx context.Context, a *execution.Attempt) (state.Record, uint64, error) {
	// Once begun, a record must not be left saying RUNNING because a drain came.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	k := a.Request.Key()
	if a.Deliveries == 1 {
		// Nobody has had it before, as a rule: one round trip less.
		r, revision, err := g.run(ctx, a, state.Record{Key: k}, 0)
		if !errors.Is(err, state.ErrStale) {
			return r, revision, err
		}
	}
	r, revision, err := g.states.Load(ctx, k)
	if err != nil {
		return r, 0, busy(err)
	}
	if a.Early && (r.Failures > 0 || r.Crashes > 0 || r.State == execution.Running) {
		return r, 0, &execution.BusyError{For: time.Second, Err: errEarly}
	}
	if r.State == execution.Running || r.State.Terminal() {
		// Whoever it was may have committed since we looked.
		o, err := g.outcomes.Read(ctx, k)
		if err == nil {
			return r, 0, &endedError{o}
		}
		if !errors.Is(err, outcome.ErrNone) {
			return r, 0, busy(err)
		}
	}
	if err := g.elsewhere(ctx, *a, r); err != nil {
		return r, 0, err
	}
	if r.State == execution.RetryWait && a.Deliveries > 1 {
		// Whoever charged the attempt may have died before it told of it. Told again, it is
		// recognised.
		if err := g.tellRetry(ctx, r); err != nil {
			return r, 0, err
		}
	}
	return g.run(ctx, a, r, revision)
}

// errEarly leaves to its turn what was tried before: the queue spaces attempts.
var errEarly = errors.New("tried before, and not yet its turn again")

// patience bounds one step of bookkeeping.
const patience = 10 * time.Second

// run makes the record r, as it was at revision, say that a runs.
func (g *Guard) run(ctx context.Context, a *execution.Attempt, r state.Record, revision uint64) (state.Record, uint64, error) {
	digest := a.Request.Digest()
	if r.RequestDigest != "" && r.RequestDigest != digest {
		return r, 0, execution.Conflict(r.Key)
	}
	if r.State == execution.Running && r.Host != g.who.Host {
		// Its holder neither finished, failed nor drained. This very process did not
		// crash: it could not reach the server for a while.
		r.Crashes++
	}
	if r.Enqueued.IsZero() {
		r.Enqueued = a.Enqueued
	}
	a.Enqueued, a.Number = r.Enqueued, r.Failures+1
	if !g.who.Delegates {
		a.ID = execution.NewAttemptID(a.Token)
	}
	now := time.Now().UTC()
	r.State, r.RequestDigest, r.Token, r.Why = execution.Running, digest, a.Token, a.Why
	r.Attempt, r.Usage = a.ID, nil
	r.Executor, r.Host, r.Started, r.Updated = g.who.Executor, g.who.Host, now, now
	revision, err := g.states.Save(ctx, r, revision)
	if err != nil {
		return r, 0, busy(err)
	}
	return r, revision, nil
}
