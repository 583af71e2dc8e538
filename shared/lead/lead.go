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

	"github.com/sagefleet/sagefleet/shared/lock"
)

// Name is what the leader locks.
const Name = "lead"

// Duty is done until its context ends. One that returns before, with an error or
// without, ends the lead: another begins anew.
type Duty func(context.Context) error

// again is the wait after a lead that ended.
const again = time.Second

// Run takes the lease of leases whenever it is free and does all duties while it is
// held, until ctx ends.
func Run(ctx context.Context, leases *lock.Locker, duties ...Duty) error {
	for ctx.Err() == nil {
		wait := again
		lease, err := leases.Acquire(ctx, Name)
		held, isHeld := errors.AsType[*lock.HeldError](err)
		switch {
		case err == nil:
			do(ctx, lease, duties)
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

// do does the duties until the lease is lost, ctx ends or one of them does.
func do(ctx context.Context, lease *lock.Lease, duties []Duty) {
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
	if err := group.Wait(); err != nil && ctx.Err() == nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("this process leads no longer")
	}
	stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := lease.Release(last); err != nil && !errors.Is(err, lock.ErrLost) {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("the lead is left to expire")
	}
}
