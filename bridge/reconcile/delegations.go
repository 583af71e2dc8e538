package reconcile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

// invocations are the delegations that were not over when their entries were read.
type invocations struct {
	entries  mark
	revision uint64 // up to which the ledger was read
	open     map[execution.Key]bool
}

// closeDelegations writes down the end of invocations whose bridge didn't: from
// OUTCOME if there is one, else once they can't be going on any more. What such a run
// cost, nobody knows.
func (r *Reconciler) closeDelegations(ctx context.Context, done *Summary) error {
	kept, err := r.invoked.entries.move(ctx, r.js, r.stateTTL)
	if err != nil {
		return err
	}
	if !kept {
		r.invoked.revision = 0 // an older copy of the ledger may have entries that were over
	}
	for found, err := range r.ledger.Since(ctx, r.invoked.revision) {
		if err != nil {
			return err
		}
		if found.Revision > r.invoked.entries.revision {
			break // what is written after the mark is read with the next
		}
		r.invoked.revision = found.Revision
		if !found.State.Over() {
			r.invoked.open[found.Key] = true
		}
		if len(r.invoked.open) >= maxSuspects {
			break // the rest waits for a later sweep
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(r.invoked.open), execution.Key.Compare) {
		over, err := r.closeDelegation(ctx, k, done)
		if err != nil {
			return err
		}
		if over {
			delete(r.invoked.open, k)
		}
	}
	return nil
}

// closeDelegation reports whether the entry of k needs no further look.
func (r *Reconciler) closeDelegation(ctx context.Context, k execution.Key, done *Summary) (over bool, err error) {
	e, revision, err := r.ledger.Load(ctx, k)
	if err != nil {
		return false, err
	}
	now := time.Now()
	if e.Newer() || e.State == "" || e.State.Over() {
		return true, nil
	}
	if now.Sub(e.Updated) < r.cfg.Grace {
		return false, nil // its bridge is about to
	}
	_, err = r.outcomes.Read(ctx, k)
	switch {
	case err == nil:
		e.State = delegation.Ended
	case errors.Is(err, execution.ErrNewer):
		return true, nil // a newer reconciler closes it
	case !errors.Is(err, outcome.ErrNone):
		return false, err
	case now.Before(e.Expiry.Add(r.cfg.Grace)):
		return false, nil
	default:
		e.State, e.Reason = delegation.Expired, "no outcome by the time the invocation must have ended"
	}
	e.Updated = now.UTC()
	_, err = r.ledger.Save(ctx, e, revision)
	if errors.Is(err, delegation.ErrStale) {
		return false, nil // its bridge came back
	}
	if err == nil {
		done.Closed++
	}
	return err == nil, err
}
