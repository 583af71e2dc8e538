package alarms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/failpoint"
)

// store keeps the incidents of one who leads. Every change is written, and refused when
// somebody else has written there: then another leads, and this one begins anew.
type store struct {
	js jetstream.JetStream
	kv jetstream.KeyValue

	mu        sync.Mutex
	incidents map[string]*held // by key: those that are open, or of which something is to be said
}

// held is an incident and what needs not be kept.
type held struct {
	Incident
	revision uint64
	seen     time.Time // when it was last so
}

// keptClosed is how long an incident that is over can be looked at.
const keptClosed = 7 * 24 * time.Hour

// load reads what is kept. ways are those that there are.
func load(ctx context.Context, js jetstream.JetStream, ways []string) (*store, error) {
	kv, err := js.KeyValue(ctx, bus.BucketNotices)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bus.BucketNotices, err)
	}
	s := &store{js: js, kv: kv, incidents: map[string]*held{}}
	w, err := kv.Watch(ctx, prefixIncident+">", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case entry, ok := <-w.Updates():
			if !ok {
				return nil, errors.New("read incidents: the watch ended")
			}
			if entry == nil { // that was all
				return s, nil
			}
			h := &held{revision: entry.Revision(), seen: time.Now()}
			if json.Unmarshal(entry.Value(), &h.Incident) != nil || h.key() != entry.Key() {
				continue // not one of ours
			}
			h.drop(func(way string) bool { return !slices.Contains(ways, way) }) // somebody took it out of the file
			if !h.Closed || len(h.Notices) > 0 {
				s.incidents[entry.Key()] = h
			}
		}
	}
}

// drop takes ways off what is to be said.
func (h *held) drop(gone func(way string) bool) {
	h.Notices = slices.DeleteFunc(h.Notices, func(n Notice) bool { return len(n.Left) == 0 })
	for i := range h.Notices {
		h.Notices[i].Left = slices.DeleteFunc(h.Notices[i].Left, gone)
	}
	h.Notices = slices.DeleteFunc(h.Notices, func(n Notice) bool { return len(n.Left) == 0 })
}

// incident returns the incident of a rule and a subject; one that is closed where there is none.
func (s *store) incident(ctx context.Context, rule, subject string) (*held, error) {
	key := incidentKey(rule, subject)
	if h := s.incidents[key]; h != nil {
		return h, nil
	}
	h := &held{Incident: Incident{Rule: rule, Subject: subject, Closed: true}}
	entry, err := s.kv.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
	case err != nil:
		return nil, fmt.Errorf("read incident: %w", err)
	default:
		h.revision = entry.Revision()
		var last Incident
		if json.Unmarshal(entry.Value(), &last) == nil && last.key() == key {
			h.Incident = last
		}
		h.Closed = true // or it would be among the others
	}
	s.incidents[key] = h
	return h, nil
}

// save writes h.
func (s *store) save(ctx context.Context, h *held) error {
	kept := time.Duration(0)
	over := h.Closed && len(h.Notices) == 0
	if over {
		kept = keptClosed
	}
	revision, err := notices.Write(ctx, s.js, h.key(), h.Incident, h.revision, kept)
	if err != nil {
		return err
	}
	h.revision = revision
	if over {
		delete(s.incidents, h.key())
	}
	return nil
}

// tell keeps an incident that is news, with what is to be said of it.
func (s *store) tell(ctx context.Context, h *held, kind string, now time.Time, ways []string) error {
	h.say(kind, now, ways)
	if err := s.save(ctx, h); err != nil {
		return err
	}
	failpoint.Hit(failpoint.AlarmKept)
	return nil
}

// happened counts what happened, and says so of incidents that it opens.
func (s *store) happened(ctx context.Context, rule string, r Rule, ways []string, all []finding, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var changed []*held
	for _, f := range all {
		h, err := s.incident(ctx, rule, f.subject)
		if err != nil {
			return err
		}
		if h.counted(f) {
			continue
		}
		if h.Closed {
			h.reopen(f.at)
		}
		h.happened(f)
		if !slices.Contains(changed, h) {
			changed = append(changed, h)
		}
	}
	for _, h := range changed {
		keep := s.save
		if h.Number == 0 {
			keep = func(ctx context.Context, h *held) error { return s.tell(ctx, h, Opened, now, ways) }
		}
		if err := keep(ctx, h); err != nil {
			return err
		}
	}
	for _, h := range s.of(rule) {
		var err error
		switch more := h.Count > h.Told; {
		case h.Closed:
		case more && now.Sub(h.ToldAt) >= r.Again:
			err = s.tell(ctx, h, Again, now, ways)
		case !more && now.Sub(h.Last) >= r.Calm && now.Sub(h.ToldAt) >= r.Calm:
			h.Closed = true
			err = s.save(ctx, h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stands compares what is the case with the incidents that are open.
func (s *store) stands(ctx context.Context, rule string, r Rule, ways []string, all []finding, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := map[string]bool{}
	for _, f := range all {
		h, err := s.incident(ctx, rule, f.subject)
		if err != nil {
			return err
		}
		is[h.key()] = true
		if f.forgotten {
			h.Closed = true
			err = s.save(ctx, h)
		} else {
			err = s.isSo(ctx, h, r, ways, f, now)
		}
		if err != nil {
			return err
		}
	}
	for _, h := range s.of(rule) {
		if h.Closed || is[h.key()] || now.Sub(h.seen) < r.Calm {
			continue
		}
		h.Closed = true
		if err := s.tell(ctx, h, Resolved, now, ways); err != nil {
			return err
		}
	}
	return nil
}

// isSo opens h, or says that it goes on when it was long not said. What else changes about it
// needs not be kept.
func (s *store) isSo(ctx context.Context, h *held, r Rule, ways []string, f finding, now time.Time) error {
	kind := Again
	if h.Closed {
		h.reopen(now)
		kind = Opened
	}
	h.Facts, h.Last, h.seen = f.Facts, now, now
	if kind == Again && now.Sub(h.ToldAt) < r.Again {
		return nil
	}
	return s.tell(ctx, h, kind, now, ways)
}

// of returns the incidents of a rule.
func (s *store) of(rule string) (all []*held) {
	for key, h := range s.incidents {
		if strings.HasPrefix(key, prefixIncident+rule+".") {
			all = append(all, h)
		}
	}
	return all
}

// open returns the subjects of a rule's open incidents, and since when they are.
func (s *store) open(rule string) map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]time.Time{}
	for _, h := range s.of(rule) {
		if !h.Closed {
			all[h.Subject] = h.Opened
		}
	}
	return all
}

// count counts what is still to be said, and open incidents by rule.
func (s *store) count() (waiting int, open map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	open = map[string]int{}
	for _, h := range s.incidents {
		if !h.Closed {
			open[h.Rule]++
		}
		for _, n := range h.Notices {
			waiting += len(n.Left)
		}
	}
	return waiting, open
}
