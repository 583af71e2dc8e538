package alarms

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/notify"
)

// ruleDigest is of what stands for others; its subject is the way.
const ruleDigest = "digest"

// line is what one way is still to hear.
type line struct {
	way
	store   *store
	book    *notices.Book
	file    File
	cfg     Config
	limiter *rate.Limiter
	again   map[string]time.Time // by ID of a notice that was tried: when it is next
}

func newLine(w way, s *store, book *notices.Book, file File, cfg Config) *line {
	return &line{way: w, store: s, book: book, file: file, cfg: cfg, again: map[string]time.Time{},
		limiter: rate.NewLimiter(rate.Every(time.Hour/time.Duration(w.perHour)), w.perHour)}
}

func (l *line) recordKey(id string) string { return notices.KindAlarm + "." + id + "." + l.name }

// run says one after the other, until ctx ends. One that is under way then is finished.
func (l *line) run(ctx context.Context) error {
	const look = 200 * time.Millisecond
	for ctx.Err() == nil {
		work := context.WithoutCancel(ctx)
		p, err := l.next(work, time.Now())
		if err != nil {
			return err
		}
		if p == nil {
			select {
			case <-ctx.Done():
			case <-time.After(look):
			}
			continue
		}
		wait, err := l.book.Say(work, notices.Notice{Key: l.recordKey(p.n.ID), ID: p.n.ID, Kind: notices.KindAlarm, Channel: l.kind,
			About: p.about, Since: p.n.At, Patience: l.cfg.Patience,
			Send: func(ctx context.Context) error { return l.Send(ctx, l.compose(p)) }})
		if err != nil {
			return err
		}
		if wait > 0 {
			l.again[p.n.ID] = time.Now().Add(wait)
		} else if err := l.settled(work, p); err != nil {
			return err
		}
	}
	return nil
}

// pending is something that is to be said, and of what incident.
type pending struct {
	h     *held
	n     Notice
	about string
}

// next chooses what to say now, if anything. What was tried before comes first,
// since it may have been heard; of the rest one if there is room for all of it in the hour, else
// a digest of it.
func (l *line) next(ctx context.Context, now time.Time) (*pending, error) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	fresh, due, err := l.sort(ctx, now)
	if err != nil || due != nil {
		return due, err
	}
	room := int(l.limiter.TokensAt(now))
	if len(fresh) == 0 || room < 1 {
		return nil, nil
	}
	first := fresh[0]
	if len(fresh) > 1 && len(fresh) >= room {
		if first, err = l.digest(ctx, fresh, now); err != nil {
			return nil, err
		}
	}
	l.limiter.AllowN(now, 1)
	l.again[first.n.ID] = now
	return &first, nil
}

// sort returns what was never tried, oldest first, and of what was tried one whose time has come.
func (l *line) sort(ctx context.Context, now time.Time) (fresh []pending, due *pending, err error) {
	var all []pending
	stoodFor := map[string]bool{}
	for _, h := range l.store.incidents {
		for _, n := range h.Notices {
			if !slices.Contains(n.Left, l.name) {
				continue
			}
			all = append(all, pending{h, n, h.Rule + " " + h.Subject})
			for _, id := range n.Of {
				stoodFor[id] = true
			}
		}
	}
	slices.SortFunc(all, func(a, b pending) int { return cmp.Or(a.n.At.Compare(b.n.At), cmp.Compare(a.n.ID, b.n.ID)) })
	known := map[string]time.Time{}
	for _, p := range all {
		if stoodFor[p.n.ID] {
			continue
		}
		at, tried := l.again[p.n.ID]
		if !tried {
			// Another may have led before, and died at it: what may have been heard must keep its ID.
			if tried, err = l.book.Tried(ctx, l.recordKey(p.n.ID)); err != nil {
				return nil, nil, err
			}
			tried = tried || p.n.Kind == Digest
		}
		switch {
		case !tried:
			fresh = append(fresh, p)
			continue
		case due == nil && !now.Before(at):
			due = &p
		}
		known[p.n.ID] = at
	}
	l.again = known
	return fresh, due, nil
}

// digest keeps a notice that stands for others: they are no longer said by themselves.
func (l *line) digest(ctx context.Context, all []pending, now time.Time) (pending, error) {
	const most = 200
	h, err := l.store.incident(ctx, ruleDigest, l.name)
	if err != nil {
		return pending{}, err
	}
	h.reopen(now)
	h.Closed = true // nothing is to become of it but to be said
	var of []string
	for _, p := range all[:min(most, len(all))] {
		of = append(of, p.n.ID)
	}
	n := Notice{ID: notify.ID(append([]string{ruleDigest, l.name}, of...)...), Kind: Digest, Opened: now.UTC(), At: now.UTC(),
		Facts: Facts{Count: len(of)}, Left: []string{l.name}, Of: of}
	h.Notices = append(h.Notices, n)
	return pending{h, n, h.Rule + " " + h.Subject}, l.store.save(ctx, h)
}

// compose writes n as it is said through every way. What a digest stands for is kept until the
// digest is said.
func (l *line) compose(p *pending) notify.Message {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if p.n.Kind != Digest {
		return l.file.message(p.n.ID, l.file.alarm(&p.h.Incident, p.n))
	}
	a := Alarm{Type: "alarm." + Digest, At: p.n.At}
	for _, id := range p.n.Of {
		if of, one := l.store.find(id); of != nil {
			a.Alarms = append(a.Alarms, l.file.alarm(&of.Incident, one))
		}
	}
	return l.file.message(p.n.ID, a)
}

// find returns the incident of a notice.
func (s *store) find(id string) (*held, Notice) {
	for _, key := range slices.Sorted(maps.Keys(s.incidents)) {
		h := s.incidents[key]
		for _, n := range h.Notices {
			if n.ID == id {
				return h, n
			}
		}
	}
	return nil, Notice{}
}

// settled takes the way off n, and off all that it stands for: those first, so that a crash
// between has it done again.
func (l *line) settled(ctx context.Context, p *pending) error {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	for _, id := range p.n.Of {
		if of, _ := l.store.find(id); of != nil {
			if err := l.take(ctx, of, id); err != nil {
				return err
			}
		}
	}
	delete(l.again, p.n.ID)
	return l.take(ctx, p.h, p.n.ID)
}

func (l *line) take(ctx context.Context, h *held, id string) error {
	for i, n := range h.Notices {
		if n.ID == id {
			h.Notices[i].Left = slices.DeleteFunc(slices.Clone(n.Left), func(way string) bool { return way == l.name })
		}
	}
	h.Notices = slices.DeleteFunc(h.Notices, func(n Notice) bool { return len(n.Left) == 0 })
	return l.store.save(ctx, h)
}
