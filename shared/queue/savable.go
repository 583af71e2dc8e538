package queue

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// savable keeps work that is late already from making the rest late too.
//
// With more work than workers can do, and no cloud to take the rest, the oldest is
// late for good after a while, and whoever takes the oldest first ends everything late.
// So while the queue's next can't end in time, three of four turns of a slot go to the
// oldest that can: it is executed before its turn, as fair does it for mailboxes, and
// that of the mailbox which has had the least comes first. The fourth turn keeps to the
// order of the queue, so that what is late ends too.
type savable struct {
	deadline time.Duration // of what says none itself; 0 turns this off
	length   length
	behind   bool // the queue's next can't end in time
	turns    int
	found    map[string][]saved // by mailbox, found by the scout
}

// saved is a message that could end in time when it was found.
type saved struct {
	*jetstream.RawStreamMsg
	due time.Time
}

// lateTurn is how often a slot keeps to the order of the queue meanwhile.
const lateTurn = 4

// late reports whether a delivered message can't end in time any more. A request is
// only read for a deadline of its own when it would be late without.
func (s *savable) late(msg jetstream.Msg, now time.Time) bool {
	if s.deadline == 0 {
		return false
	}
	meta, err := msg.Metadata()
	if err != nil {
		return false
	}
	accepted := acceptedAt(msg.Headers().Get(headerEnqueued), meta.Timestamp)
	return !s.ends(accepted.Add(s.deadline), now) && !s.ends(s.due(msg.Data(), accepted), now)
}

// due is when a request that was accepted then should have ended.
func (s *savable) due(data []byte, accepted time.Time) time.Time {
	if _, own := claims(data, accepted); own > 0 {
		return accepted.Add(own)
	}
	return accepted.Add(s.deadline)
}

// ends reports whether what begins now ends by then.
func (s *savable) ends(by, now time.Time) bool { return !now.Add(s.margin()).After(by) }

// margin is what an execution takes; no more than half of the deadline, so that
// something is always savable.
func (s *savable) margin() time.Duration { return min(s.length.value(), s.deadline/2) }

// ended learns from a slot that was used for so long. One in the order of the queue that
// only answered, by an outcome that stood, is no turn of what is late.
func (s *savable) ended(took time.Duration, ordinary bool) {
	if ordinary && took < s.length.value()/20 {
		s.turns = lateTurn - 1
	}
	s.length.observe(took)
}

// pick takes the message to execute before its turn, if this turn is for one: one of the
// mailbox that has had the least. Which one is chance: other workers have found the same.
func (s *savable) pick(shares *shares, now time.Time, chance *rand.Rand) (early, bool) {
	if !s.behind {
		return early{}, false
	}
	if s.turns++; s.turns%lateTurn == 0 {
		return early{}, false
	}
	least, mailbox := math.Inf(1), ""
	for name, found := range s.found {
		found = slices.DeleteFunc(found, func(m saved) bool { return !s.ends(m.due, now) })
		s.found[name] = found
		used := shares.used(name, now)
		if len(found) > 0 && shares.room(name) > 0 && (used < least || used == least && name < mailbox) {
			least, mailbox = used, name
		}
	}
	if mailbox == "" {
		return early{}, false
	}
	i := chance.IntN(len(s.found[mailbox]))
	msg := s.found[mailbox][i]
	s.found[mailbox] = slices.Delete(s.found[mailbox], i, i+1)
	return early{msg.RawStreamMsg, mailbox}, true
}

// saveTries is how many messages are read in vain at a time: a deadline of their own, or a
// retry's age, may leave them less time than their place in the queue says. Other mailboxes
// wait meanwhile.
const saveTries = 2 * lookAhead

// save finds messages of mailbox that can still end in time, as far as they are needed.
func (f *fair) save(ctx context.Context, s *scout, mailbox string) error {
	for range saveTries {
		f.mu.Lock()
		now := time.Now()
		since := now.Add(f.savable.margin() - f.savable.deadline)
		enough := !f.savable.behind || len(f.savable.found[mailbox]) >= lookAhead
		f.mu.Unlock()
		if enough {
			return nil
		}
		msg, err := s.lookSince(ctx, mailbox, since)
		if err != nil || msg == nil {
			return err
		}
		due := f.savable.due(msg.Data, acceptedAt(msg.Header.Get(headerEnqueued), msg.Time))
		f.mu.Lock()
		if f.savable.ends(due, now) {
			f.savable.found[mailbox] = append(f.savable.found[mailbox], saved{msg, due})
			f.change()
		}
		f.mu.Unlock()
	}
	return nil
}

// length learns how long slots are used, where each second counts the same and not
// each use: the average of the squares over the average. So uses that only answer weigh
// next to nothing, and long ones more than short ones.
type length struct{ mean, square float64 } // of seconds

func (l *length) observe(took time.Duration) {
	const weight = 0.02
	t := took.Seconds()
	l.mean += weight * (t - l.mean)
	l.square += weight * (t*t - l.square)
}

func (l *length) value() time.Duration {
	if l.mean <= 0 {
		return 0
	}
	return time.Duration(l.square / l.mean * float64(time.Second))
}
