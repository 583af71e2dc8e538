// Package retention deletes what the fleet keeps no longer: inputs and results past
// their time, and what attempts left that lost.
//
// It never deletes an outcome, and nothing of an execution that has not ended. It
// alone needs the right to delete, so it runs by itself, with credentials of its
// own. Each deletion stands for itself: whenever it is interrupted, the next run
// goes on.
package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Config says how long what is kept, counted from the end of its execution.
type Config struct {
	// Inputs is how long the files and the request of an ended execution are kept.
	Inputs time.Duration `env:"RETAIN_INPUTS" envDefault:"720h"`
	// Attempts is how long results too large for the outcome are kept.
	Attempts time.Duration `env:"RETAIN_ATTEMPTS" envDefault:"720h"`
	// Lost is how long what a losing attempt stored is kept.
	Lost time.Duration `env:"RETAIN_LOST" envDefault:"24h"`
	// Cache is how long cached results are kept.
	Cache time.Duration `env:"RETAIN_CACHE" envDefault:"720h"`
	// Rate is how many objects are deleted in a second: file systems are slow to
	// create files after many were deleted.
	Rate float64 `env:"RETAIN_RATE" envDefault:"200"`
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	for name, d := range map[string]time.Duration{"RETAIN_INPUTS": c.Inputs, "RETAIN_ATTEMPTS": c.Attempts, "RETAIN_CACHE": c.Cache} {
		if d <= 0 {
			return settings.Invalid(name, d, "a positive duration")
		}
	}
	switch {
	case c.Lost < time.Hour:
		return settings.Invalid("RETAIN_LOST", c.Lost, "1h or more: an attempt that lost may be writing yet")
	case c.Rate <= 0:
		return settings.Invalid("RETAIN_RATE", c.Rate, "more than 0")
	}
	return nil
}

// Freed counts deleted objects, or those that a dry run would delete.
type Freed struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func (f *Freed) add(info storage.Info) {
	f.Objects++
	f.Bytes += info.Size
}

// Report is what a run freed, and what it passed over.
type Report struct {
	Inputs   Freed `json:"inputs"`
	Attempts Freed `json:"attempts"` // of those that won
	Lost     Freed `json:"lost_attempts"`
	Cache    Freed `json:"cache"`
	Listed   int   `json:"listed"` // objects
	Named    int   `json:"named"`  // objects passed over: work that has not ended takes its files from that execution
	Open     int   `json:"open"`   // executions passed over although their files are old: they have not ended
	DryRun   bool  `json:"dry_run,omitempty"`
}

// Collector deletes.
type Collector struct {
	js       jetstream.JetStream
	states   *state.Store
	objects  storage.Store
	outcomes *outcome.Store
	cfg      Config
	pace     *rate.Limiter
}

// Open returns a Collector over the fleet's storage and records.
func Open(ctx context.Context, js jetstream.JetStream, objects storage.Store, cfg Config) (*Collector, error) {
	kv, err := js.KeyValue(ctx, bus.BucketState)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketState, err)
	}
	return &Collector{js: js, states: state.New(js, kv, 0), objects: objects, outcomes: outcome.New(objects), cfg: cfg,
		pace: rate.NewLimiter(rate.Limit(cfg.Rate), 1)}, nil
}

// Run goes through everything once. progress, if not nil, is called after each
// object. With dryRun nothing is deleted. The report tells what was done before an
// error, too.
func (c *Collector) Run(ctx context.Context, dryRun bool, progress func(Report)) (Report, error) {
	s := &sweep{Collector: c, Report: Report{DryRun: dryRun}, progress: progress}
	var err error
	if s.named, err = c.named(ctx); err != nil {
		return s.Report, err
	}
	err = errors.Join(s.attempts(ctx), s.inputs(ctx), s.cache(ctx))
	return s.Report, err
}

// sweep is one run.
type sweep struct {
	*Collector
	Report
	progress func(Report)
	named    map[string]bool // prefixes of executions that others take files from
}

// each lists the objects under prefix and has look see them.
func (s *sweep) each(ctx context.Context, prefix string, look func(storage.Info) error) error {
	for info, err := range s.objects.List(ctx, prefix) {
		if err != nil {
			return err
		}
		s.Listed++
		if err := look(info); err != nil {
			return err
		}
		if s.progress != nil {
			s.progress(s.Report)
		}
	}
	return nil
}

func older(t time.Time, d time.Duration) bool { return time.Since(t) > d }

func (s *sweep) remove(ctx context.Context, info storage.Info, count *Freed) error {
	if !s.DryRun {
		if err := s.pace.Wait(ctx); err != nil {
			return err
		}
		if err := s.objects.Delete(ctx, info.Key); err != nil {
			return err
		}
	}
	count.add(info)
	return nil
}

// attempts deletes what lost, after a grace period, and what won, after its time.
// Keys come in order, so that the outcome of each generation is read once.
func (s *sweep) attempts(ctx context.Context) error {
	var of execution.Key
	var o execution.Outcome
	var ended bool
	return s.each(ctx, outcome.AttemptRoot, func(info storage.Info) error {
		k, attempt, ok := outcome.ParseAttempt(info.Key)
		if !ok || !older(info.Modified, min(s.cfg.Lost, s.cfg.Attempts)) {
			return nil
		}
		if k != of {
			var err error
			o, err = s.outcomes.Read(ctx, k)
			if ended = err == nil; err != nil && !errors.Is(err, outcome.ErrNone) {
				return err
			}
			of = k
		}
		switch {
		case !ended: // it may be the one that will win
		case o.Erased != nil || attempt != o.Attempt && older(info.Modified, s.cfg.Lost):
			return s.remove(ctx, info, &s.Lost)
		case attempt == o.Attempt && older(o.Finished, s.cfg.Attempts):
			if s.named[intake.Prefix(k.Mailbox, k.ID)] {
				s.Named++
				return nil
			}
			return s.remove(ctx, info, &s.Attempts)
		}
		return nil
	})
}

// inputs deletes the files of executions that ended long ago. What people put
// under a mailbox by themselves is theirs.
func (s *sweep) inputs(ctx context.Context) error {
	var of string
	var over, named bool
	var files []storage.Info
	flush := func() error {
		defer func() { files = files[:0] }()
		if !over || named {
			return nil
		}
		// The request goes first: without its files it must not be found.
		for _, first := range []bool{true, false} {
			for _, info := range files {
				if _, _, isRequest, _ := intake.Parse(info.Key); isRequest == first {
					if err := s.remove(ctx, info, &s.Inputs); err != nil {
						return err
					}
					if isRequest {
						failpoint.Hit(failpoint.Unrequested)
					}
				}
			}
		}
		return nil
	}
	err := s.each(ctx, intake.Root, func(info storage.Info) error {
		mailbox, id, _, ok := intake.Parse(info.Key)
		if !ok {
			return nil
		}
		if owner := intake.Prefix(mailbox, id); owner != of {
			if err := flush(); err != nil {
				return err
			}
			of, over, named = owner, false, s.named[owner]
			if older(info.Modified, s.cfg.Inputs) {
				var err error
				if over, err = s.over(ctx, mailbox, id); err != nil {
					return err
				}
			}
		}
		if over && named {
			s.Named++
			return nil
		}
		if over {
			const most = execution.MaxInputs + 2 // and the request, and a configuration
			if files = append(files, info); len(files) > most {
				return flush() // more than a submission stores
			}
		}
		return nil
	})
	return errors.Join(err, flush())
}

// over reports whether an execution ended long enough ago and no redrive has
// opened it again.
func (s *sweep) over(ctx context.Context, mailbox, id string) (bool, error) {
	o, err := s.outcomes.Last(ctx, mailbox, id)
	if errors.Is(err, outcome.ErrNone) {
		s.Open++
		return false, nil
	}
	if err != nil || !older(o.Finished, s.cfg.Inputs) {
		return false, err
	}
	if o.Kind != execution.Dead {
		return true, nil
	}
	next := execution.Key{Mailbox: mailbox, ID: id, Generation: o.Generation + 1}
	_, revision, err := s.states.Load(ctx, next)
	if err != nil {
		return false, err
	}
	_, waits, err := queue.Find(ctx, s.js, next)
	if waits || revision > 0 {
		s.Open++
		return false, err
	}
	return err == nil, err
}

func (s *sweep) cache(ctx context.Context) error {
	return s.each(ctx, intake.CacheRoot, func(info storage.Info) error {
		if !older(info.Modified, s.cfg.Cache) {
			return nil
		}
		return s.remove(ctx, info, &s.Cache)
	})
}
