// Package lead has one of several processes do what need not be done by all.
//
// Nothing depends on there being one: whatever is done under the lease can be done
// by two at once. It only saves work.
package lead

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/lock"
)

// Name is what the leader locks.
const Name = "lead"

// Duty is done until its context ends. One that returns before, with an error or
// without, ends the lead: another begins anew.
type Duty func(context.Context) error

// again is the wait after a lead that ended; longer leaves the lead to a newer program.
const (
	again  = time.Second
	longer = time.Minute
)

// Run takes the lease of leases whenever it is free and does all duties while it is
// held, until ctx ends.
func Run(ctx context.Context, leases *lock.Locker, duties ...Duty) error {
	for ctx.Err() == nil {
		wait := again
		lease, err := leases.Acquire(ctx, Name)
		held, isHeld := errors.AsType[*lock.HeldError](err)
		switch {
		case err == nil:
			if errors.Is(do(ctx, lease, duties), execution.ErrNewer) {
				wait = longer
			}
		case isHeld:
			wait = held.Remaining
		case ctx.Err() == nil:
			zerolog.Ctx(ctx).Warn().Err(err).Msg("lead not taken")
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// do does the duties until the lease is lost, ctx ends or one of them does, and returns
// why that one did.
func do(ctx context.Context, lease *lock.Lease, duties []Duty) error {
	zerolog.Ctx(ctx).Info().Msg("this process leads")
	held, stop := lease.Keep(ctx)
	group, work := errgroup.WithContext(held)
	for _, duty := range duties {
		group.Go(func() error {
			if err := duty(work); err != nil {
				return err
			}
			if work.Err() == nil {
				return errors.New("a duty of the lead ended")
			}
			return nil
		})
	}
	ended := group.Wait()
	if ended != nil && ctx.Err() == nil {
		zerolog.Ctx(ctx).Warn().Err(ended).Msg("this process leads no longer")
	}
	stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := lease.Release(last); err != nil && !errors.Is(err, lock.ErrLost) {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("the lead is left to expire")
	}
	return ended
}
