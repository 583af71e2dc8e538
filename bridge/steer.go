package bridge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// Gate says whether anything may be delegated now, and if not, why not.
type Gate interface {
	Open(now time.Time) (ok bool, reason string)
}

// steerer decides what the bridge takes, and sets the tap.
type steerer struct {
	policy  overflow.Policy
	observe *observer
	gates   []Gate
	tap     func(queue.Opening)
	tell    func(decision)
	wake    chan struct{}

	now     atomic.Pointer[decision] // the decision in force
	opening queue.Opening
	claimed time.Time // since when slots are said to be free while enough waits
	look    atomic.Bool
}

// decision is what is in force.
type decision struct {
	overflow.Decision
	closed string // what keeps the tap shut
	free   bool   // a worker has a free slot
	since  time.Time
	looked time.Time // when the queue last answered
	total  heartbeat.Total
}

// same reports whether d takes the same for the same reasons as e.
func (d decision) same(e decision) bool {
	return d.MinPending == e.MinPending && d.Rule == e.Rule && (d.closed == "") == (e.closed == "") && d.free == e.free
}

// run decides each second, more often while something waits, and at once when woken.
func (s *steerer) run(ctx context.Context) error {
	for ctx.Err() == nil {
		s.decide(ctx)
		wait := s.observe.every()
		if review := s.current().Review; review > 0 && review < wait {
			wait = max(review, time.Millisecond)
			s.look.Store(true) // the oldest may be late then
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-time.After(wait):
		}
	}
	return nil
}

// hurry has the steerer decide at once. With look it asks the queue first.
func (s *steerer) hurry(look bool) {
	if look {
		s.look.Store(true)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *steerer) decide(ctx context.Context) {
	signals, total, fresh := s.observe.observe(ctx, s.look.Swap(false))
	if err := s.observe.err; err != nil && ctx.Err() == nil {
		zerolog.Ctx(ctx).Debug().Err(err).Msg("queue not looked at")
	}
	now := time.Now()
	d := decision{Decision: s.policy.Decide(signals), free: total.Free > 0, since: now, total: total, looked: s.observe.answered}
	d.closed = s.closed(now, d)
	opening := queue.Opening{MinPending: d.MinPending}
	if d.Rule == overflow.RuleAge {
		opening.Most = 1 // the oldest, not those behind it; then it is decided again
	}
	if d.closed != "" {
		opening = queue.Opening{}
	}
	before := s.now.Load()
	if before != nil && before.same(d) {
		d.since = before.since
	} else {
		s.observe.counts.decide(d)
	}
	s.now.Store(&d)
	if opening != s.opening || opening.Most > 0 && fresh {
		s.tap(opening)
		s.opening = opening
	}
	s.tell(d)
}

// slotPatience is how long free slots keep the tap shut although enough waits: then
// they don't take it, whatever the heartbeats say.
const slotPatience = 2 * time.Second

// closed says what keeps the tap shut. Free slots come before the cloud; but a host
// that is too busy, or work whose time is running out, doesn't wait for them.
func (s *steerer) closed(now time.Time, d decision) string {
	for _, g := range s.gates {
		if ok, reason := g.Open(now); !ok {
			return reason
		}
	}
	if d.MinPending == 0 {
		return d.Reason
	}
	claims := d.free && d.Rule != overflow.RuleCPU && d.Rule != overflow.RuleAge && d.Rule != overflow.RuleNoSlots
	if !claims || d.Inputs.Pending < d.MinPending {
		s.claimed = time.Time{}
	} else if s.claimed.IsZero() {
		s.claimed = now
	}
	if claims && (s.claimed.IsZero() || now.Sub(s.claimed) < slotPatience) {
		return freeSlots(d.total)
	}
	return ""
}

// current is the decision in force; the zero decision before the first.
func (s *steerer) current() decision {
	if d := s.now.Load(); d != nil {
		return *d
	}
	return decision{}
}

// herald tells of changes, at most once in a second.
type herald struct {
	publish func(at time.Time, data execution.DecisionData)
	data    func(decision) execution.DecisionData

	mu      sync.Mutex
	last    decision // that was seen
	told    time.Time
	changes int
}

const heraldRest = time.Second

// see notes the decision in force, and tells it if there is something to tell. It is
// called again within a second.
func (h *herald) see(d decision) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told.IsZero() && h.changes == 0 || !d.same(h.last) {
		h.changes++
	}
	h.last = d
	now := time.Now()
	if h.changes == 0 || now.Sub(h.told) < heraldRest {
		return
	}
	data := h.data(d)
	data.Changes = h.changes
	h.told, h.changes = now, 0
	h.publish(now, data)
}
