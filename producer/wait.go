package producer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
)

// pollOutcome is how often Wait looks for the outcome itself. The record's changes
// are faster but may not come: the record expires, and NATS may be away.
const pollOutcome = 2 * time.Second

// Wait blocks until the generation k has ended and returns how. see, if not nil,
// is called with each status on the way. When ctx ends first, Wait returns the last
// status it saw and the cause.
func (t *Tracker) Wait(ctx context.Context, k execution.Key, see func(Status)) (Status, error) {
	watch, stop := context.WithCancel(ctx)
	records := make(chan state.Record)
	var watching sync.WaitGroup
	watching.Go(func() { t.watch(watch, k, records) })
	defer watching.Wait()
	defer stop()

	last := Status{Key: k, State: execution.Accepted}
	poll := time.NewTicker(pollOutcome)
	defer poll.Stop()
	for {
		o, err := t.outcomes.Read(ctx, k)
		switch {
		case err == nil:
			return t.ended(ctx, o), nil
		case ctx.Err() != nil:
			return last, context.Cause(ctx)
		case !errors.Is(err, outcome.ErrNone):
			return last, err
		}
		if err := t.next(ctx, records, poll.C, func(r state.Record) {
			if last = recorded(r); see != nil {
				see(last)
			}
		}); err != nil {
			return last, err
		}
	}
}

// next returns when it is time to look for the outcome: the record says that there
// is one, or a while has passed.
func (t *Tracker) next(ctx context.Context, records <-chan state.Record, poll <-chan time.Time, see func(state.Record)) error {
	for {
		select {
		case r := <-records:
			if r.State.Terminal() {
				return nil
			}
			see(r)
		case <-poll:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// watch sends the record's changes until ctx ends. A watch that breaks is begun
// again: what it misses meanwhile, the poll finds.
func (t *Tracker) watch(ctx context.Context, k execution.Key, records chan<- state.Record) {
	for ctx.Err() == nil {
		err := t.states.Watch(ctx, k, func(r state.Record) bool {
			select {
			case records <- r:
				return true
			case <-ctx.Done():
				return false
			}
		})
		if err != nil && ctx.Err() == nil {
			zerolog.Ctx(ctx).Warn().Err(err).Msg("watching the record again")
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollOutcome):
		}
	}
}
