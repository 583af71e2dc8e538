package reconcile

import (
	"context"
	"errors"
	"iter"
	"path"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// rotation goes through the objects under a prefix again and again, a part at a
// time. What a whole round has found settled is passed over in the next, by the
// time of its last change: so a rotation remembers one moment, not the objects.
type rotation struct {
	next  func() (storage.Info, error, bool)
	close func()

	grace   time.Duration
	settled time.Time // what has not changed since then needs no second look
	began   time.Time // the round under way
	open    time.Time // the earliest change that it can't call settled; zero if none
}

// skew is how far the clocks of the store and of this host may be apart.
const skew = time.Minute

// take returns the next object, or false when a round has ended.
func (r *rotation) take(list iter.Seq2[storage.Info, error]) (storage.Info, bool, error) {
	if r.next == nil {
		r.next, r.close = iter.Pull2(list)
		r.began, r.open = time.Now(), time.Time{}
	}
	info, err, ok := r.next()
	if ok && err == nil {
		return info, true, nil
	}
	r.stop()
	if err == nil {
		r.settled = r.began.Add(-r.grace - skew) // the younger were not looked at
		if !r.open.IsZero() && r.open.Before(r.settled) {
			r.settled = r.open
		}
	}
	return info, false, err
}

// again asks for another look at an object in the next round.
func (r *rotation) again(info storage.Info) {
	if r.open.IsZero() || info.Modified.Before(r.open) {
		r.open = info.Modified
	}
}

func (r *rotation) stop() {
	if r.close != nil {
		r.close()
	}
	r.next, r.close = nil, nil
}

// readRecords reads the records that have not changed for the grace period, each
// once for each change. Those that say that an execution goes on are suspects, and
// so are the dead, until their letters are seen.
func (r *Reconciler) readRecords(ctx context.Context, done *Summary) error {
	until := time.Now().Add(-r.cfg.Grace) // all that is older is before the mark
	kept, err := r.records.move(ctx, r.js, r.stateTTL)
	if err != nil {
		return err
	}
	if !kept {
		r.revision = 0
	}
	r.revision, err = r.states.Scan(ctx, r.revision, until, func(rec state.Record) bool {
		if len(r.suspects) >= maxSuspects {
			return false // the rest waits for a later sweep
		}
		done.Records++
		switch {
		case rec.State == execution.Dead.Terminal():
			r.suspects.add(rec.Key, ended)
		case !rec.State.Terminal():
			r.suspects.add(rec.Key, recorded)
		}
		return true
	})
	return err
}

// listRequests looks for requests that were stored and never ended.
func (r *Reconciler) listRequests(ctx context.Context, done *Summary) error {
	looked := 0
	for listed := 0; listed < r.cfg.List && looked < r.cfg.Batch && len(r.suspects) < maxSuspects; listed++ {
		info, ok, err := r.requests.take(r.objects.List(ctx, intake.Root))
		if err != nil || !ok {
			return err
		}
		done.Listed++
		mailbox, id, isRequest, ok := intake.Parse(info.Key)
		if !ok || !isRequest || !r.due(info, &r.requests) {
			continue
		}
		looked++
		k := execution.Key{Mailbox: mailbox, ID: id, Generation: 1}
		switch _, err := r.objects.Stat(ctx, outcome.Path(k)); {
		case err == nil: // later generations have records
		case isMissing(err):
			r.requests.again(info)
			r.suspects.add(k, submitted)
		default:
			r.requests.again(info)
			return err
		}
	}
	return nil
}

// listOutcomes looks for outcomes that were never recorded.
func (r *Reconciler) listOutcomes(ctx context.Context, done *Summary) error {
	looked := 0
	for listed := 0; listed < r.cfg.List && looked < r.cfg.Batch && len(r.suspects) < maxSuspects; listed++ {
		info, ok, err := r.ends.take(r.objects.List(ctx, outcome.Root))
		if err != nil || !ok {
			return err
		}
		done.Listed++
		k, err := execution.ParsePath(path.Base(info.Key))
		if err != nil || !r.due(info, &r.ends) {
			continue
		}
		looked++
		rec, _, err := r.states.Load(ctx, k)
		if errors.Is(err, execution.ErrNewer) {
			continue
		}
		if err != nil {
			r.ends.again(info)
			return err
		}
		if !rec.State.Terminal() { // else the scan of records has met it, or will
			r.suspects.add(k, ended)
		}
	}
	return nil
}

// due reports whether an object is old enough and young enough to be looked at,
// and has changed since its rotation called it settled.
func (r *Reconciler) due(info storage.Info, in *rotation) bool {
	age := time.Since(info.Modified)
	return age > r.cfg.Grace && age < r.cfg.Window && !info.Modified.Before(in.settled)
}
