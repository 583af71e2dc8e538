package reconcile

import (
	"context"
	"hash/maphash"
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
// time.
type rotation struct {
	next  func() (storage.Info, error, bool)
	close func()
	known known
}

// take returns the next object, or false when a round has ended.
func (r *rotation) take(list iter.Seq2[storage.Info, error]) (storage.Info, bool, error) {
	if r.next == nil {
		r.next, r.close = iter.Pull2(list)
	}
	info, err, ok := r.next()
	if !ok || err != nil {
		r.stop()
	}
	return info, ok && err == nil, err
}

func (r *rotation) stop() {
	if r.close != nil {
		r.close()
	}
	r.next, r.close = nil, nil
}

// known remembers keys that need no second look, by hash: a key that is taken for
// another is looked at by the next process.
type known map[uint64]struct{}

var seed = maphash.MakeSeed()

func (k known) has(key string) bool {
	_, ok := k[maphash.String(seed, key)]
	return ok
}

func (k *known) add(key string) {
	const most = 1_000_000
	if *k == nil || len(*k) >= most {
		*k = known{}
	}
	(*k)[maphash.String(seed, key)] = struct{}{}
}

// readRecords reads the records that have not changed for the grace period, each
// once for each change. Those that say that an execution goes on are suspects, and
// so are the dead, until their letters are seen.
func (r *Reconciler) readRecords(ctx context.Context, done *Summary) error {
	var err error
	r.revision, err = r.states.Scan(ctx, r.revision, time.Now().Add(-r.cfg.Grace), func(rec state.Record) bool {
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
		if !ok || !isRequest || !r.due(info) || r.requests.known.has(info.Key) {
			continue
		}
		looked++
		k := execution.Key{Mailbox: mailbox, ID: id, Generation: 1}
		switch _, err := r.objects.Stat(ctx, outcome.Path(k)); {
		case err == nil: // later generations have records
			r.requests.known.add(info.Key)
		case isMissing(err):
			r.suspects.add(k, submitted)
		default:
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
		if err != nil || !r.due(info) || r.ends.known.has(info.Key) {
			continue
		}
		looked++
		rec, _, err := r.states.Load(ctx, k)
		if err != nil {
			return err
		}
		if !rec.State.Terminal() { // else the scan of records has met it, or will
			r.suspects.add(k, ended)
		}
		r.ends.known.add(info.Key)
	}
	return nil
}

// due reports whether an object is old enough and young enough to be looked at.
func (r *Reconciler) due(info storage.Info) bool {
	age := time.Since(info.Modified)
	return age > r.cfg.Grace && age < r.cfg.Window
}
