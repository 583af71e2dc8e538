package reconcile

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// maxSuspects bounds the memory: when so many executions are under way for longer
// than the grace period, further records and requests wait until some have ended.
const maxSuspects = 100_000

// Where a suspect was found.
const (
	ended     = iota // it has an outcome
	recorded         // its record says that it goes on
	submitted        // only its request is known
)

// suspect is a generation that has not ended, or not wholly, as far as we know.
type suspect struct {
	found  int
	looked time.Time
	absent bool // no message was found when we looked last
	told   bool // that it is stranded
}

type suspects map[execution.Key]*suspect

func (s suspects) add(k execution.Key, found int) {
	if have := s[k]; have != nil {
		have.found = min(have.found, found)
		return
	}
	s[k] = &suspect{found: found}
}

// oldest returns up to n suspects that were not looked at after before, those that have
// waited longest first.
func (s suspects) oldest(n int, before time.Time) []execution.Key {
	var keys []execution.Key
	for k, v := range s {
		if !v.looked.After(before) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b execution.Key) int { return cmp.Or(s[a].looked.Compare(s[b].looked), a.Compare(b)) })
	return keys[:min(n, len(keys))]
}

// help looks at suspects. Those that were looked at wait until all others were.
func (r *Reconciler) help(ctx context.Context, done *Summary) error {
	began := time.Now()
	keys := r.suspects.oldest(r.cfg.Batch, r.round)
	if len(keys) < r.cfg.Batch {
		r.round = began // the next sweep begins anew
	}
	var errs []error
	for _, k := range keys {
		s := r.suspects[k]
		s.looked = began
		over, err := r.examine(ctx, k, s, done)
		if errors.Is(err, execution.ErrNewer) {
			over, err = true, nil // a newer reconciler helps it
		}
		if err != nil {
			errs = append(errs, err)
			const enough = 10 // the store or the server is away
			if len(errs) == enough {
				break
			}
			continue
		}
		if over {
			delete(r.suspects, k)
		}
	}
	return errors.Join(errs...)
}

// examine helps k if it needs it, and reports whether it is no suspect any more.
func (r *Reconciler) examine(ctx context.Context, k execution.Key, s *suspect, done *Summary) (over bool, err error) {
	if s.found == ended {
		return r.checkEnd(ctx, k, done)
	}
	rec, revision, err := r.states.Load(ctx, k)
	if err != nil {
		return false, err
	}
	if s.found == recorded && (revision == 0 || rec.State.Terminal()) || revision > 0 && time.Since(rec.Updated) < r.cfg.Grace {
		return true, nil // it ended or goes on: the scan of records meets it again
	}
	_, waits, err := queue.Find(ctx, r.js, k)
	if err != nil || waits {
		s.absent = false
		return false, err
	}
	if held, err := r.locks.Held(ctx, k.Path()); err != nil || held {
		s.absent = false
		return false, err // an invocation that had no message
	}
	// After the message: it is gone only once the outcome is there.
	_, err = r.outcomes.Read(ctx, k)
	switch {
	case err == nil:
		s.found = ended
		return r.checkEnd(ctx, k, done)
	case !errors.Is(err, outcome.ErrNone):
		return false, err
	case !s.absent:
		s.absent = true // it may have been on its way from one stream to the other
		return false, nil
	}
	s.absent = false
	return false, r.requeue(ctx, k, s, rec.Enqueued, done)
}

// requeue publishes again what was accepted and is nowhere.
func (r *Reconciler) requeue(ctx context.Context, k execution.Key, s *suspect, accepted time.Time, done *Summary) error {
	request, err := intake.Request(ctx, r.objects, k.Mailbox, k.ID)
	if isMissing(err) {
		return r.strand(ctx, k, s, done)
	}
	if err != nil {
		return err
	}
	if accepted.IsZero() {
		if info, err := r.objects.Stat(ctx, intake.RequestKey(k.Mailbox, k.ID)); err == nil {
			accepted = info.Modified
		}
	}
	if k.Generation > 1 {
		request.Generation = k.Generation
	}
	occasion := time.Now().Unix() / max(int64(r.cfg.Every.Seconds()), 1)
	err = queue.Republish(ctx, r.js, request, accepted, strconv.FormatInt(occasion, 10))
	if fault.IsPermanent(err) {
		return r.strand(ctx, k, s, done) // no producer stored that
	}
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.Restored)
	done.Requeued++
	return r.tell(ctx, execution.EventRepaired, execution.EventData{Key: k, State: execution.Accepted, Code: "NOT_QUEUED",
		Token: uint64(occasion), Reason: "it was accepted, and on no queue; it was published again", Enqueued: accepted}) //nolint:gosec // a time
}

// strand says, once, that nobody can finish k.
func (r *Reconciler) strand(ctx context.Context, k execution.Key, s *suspect, done *Summary) error {
	if s.told {
		return nil
	}
	if waits, err := queue.Unnamed(ctx, r.js, k.Mailbox); err != nil || waits {
		return err // its message may be one of those
	}
	if waits, err := queue.Left(ctx, r.js, k); err != nil || waits {
		return err // it waits for a newer worker
	}
	s.told = true
	done.Stranded++
	return r.tell(ctx, execution.EventStranded, execution.EventData{Key: k, Code: "REQUEST_LOST",
		Reason: "its message is gone, it has no outcome, and no request is stored with its inputs that could be published; submit it again"})
}

// checkEnd completes what belongs to the outcome of k, unless a message of k is there to
// have it done: then it reports that k needs another look, as that may get lost too.
func (r *Reconciler) checkEnd(ctx context.Context, k execution.Key, done *Summary) (over bool, err error) {
	rec, revision, err := r.states.Load(ctx, k)
	if err != nil {
		return false, err
	}
	isRecorded := rec.State.Terminal()
	if isRecorded && rec.State != execution.Dead.Terminal() {
		return true, nil
	}
	_, err = queue.ReadLetter(ctx, r.js, k.Mailbox, k.ID, k.Generation)
	buried := err == nil
	if err != nil && !errors.Is(err, queue.ErrNoLetter) || buried && isRecorded {
		return err == nil, err
	}
	if _, waits, err := queue.Find(ctx, r.js, k); err != nil || waits {
		return false, err
	}
	o, err := r.outcomes.Read(ctx, k)
	if errors.Is(err, outcome.ErrNone) || err == nil && o.Erased != nil {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	var what []string
	if !isRecorded {
		if err := r.ending.SettleAlone(ctx, rec, revision, o); err != nil {
			return false, err
		}
		failpoint.Hit(failpoint.Resettled)
		what = append(what, "record and event")
	}
	if o.Kind == execution.Dead && !buried && r.lettersKept(ctx).Before(o.Finished) {
		if err := r.bury(ctx, o); err != nil {
			return false, err
		}
		failpoint.Hit(failpoint.Reburied)
		what = append(what, "dead letter")
	}
	if what == nil {
		return true, nil
	}
	done.Repaired++
	err = r.tell(ctx, execution.EventRepaired, execution.EventData{Key: k, State: o.Kind.Terminal(), Attempt: o.Attempt,
		Token: execution.AttemptToken(o.Attempt), Executor: o.Executor, Code: "NOT_SETTLED",
		Reason: "it had an outcome and was left without " + strings.Join(what, " and "), Finished: o.Finished})
	return err == nil, err
}

// lettersKept is since when dead letters are kept.
func (r *Reconciler) lettersKept(ctx context.Context) (since time.Time) {
	stream, err := r.js.Stream(ctx, bus.StreamDead)
	if err != nil || stream.CachedInfo().Config.MaxAge == 0 {
		return since
	}
	return time.Now().Add(-stream.CachedInfo().Config.MaxAge)
}

// bury stores the dead letter of o, with the request if it was kept.
func (r *Reconciler) bury(ctx context.Context, o execution.Outcome) error {
	request, err := intake.Request(ctx, r.objects, o.Mailbox, o.ID)
	if isMissing(err) {
		return queue.Bury(ctx, r.js, o, nil)
	}
	if err != nil {
		return err
	}
	if o.Generation > 1 {
		request.Generation = o.Generation
	}
	return queue.Bury(ctx, r.js, o, &request)
}

func (r *Reconciler) tell(ctx context.Context, kind string, what execution.EventData) error {
	zerolog.Ctx(ctx).Warn().Str("mailbox", what.Mailbox).Str("execution", what.Key.ID).Str("code", what.Code).
		Str("reason", what.Reason).Msg("execution " + kind)
	what.Executor = cmp.Or(what.Executor, "reconciler")
	err := r.events.Publish(kind, execution.NewEvent(kind, r.host, time.Now(), what))(ctx)
	failpoint.Hit(failpoint.Repaired)
	return err
}

// isMissing reports whether err says that there is no such object, or none that anybody
// could use.
func isMissing(err error) bool {
	return errors.Is(err, storage.ErrNotFound) || errors.Is(err, intake.ErrNoRequest)
}
