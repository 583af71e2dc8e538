package queue

import (
	"context"
	crand "crypto/rand"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// fair shares a worker's slots between the mailboxes that have work waiting.
//
// The queue hands out work in the order it came, so a mailbox that sends ten
// thousand files at once would make all others wait for them. While work waits, a
// scout looks for the first messages of the other mailboxes, and a free slot goes
// to the mailbox that has had the least: to the next message of the queue, or to
// one further back, which is executed before its turn without being taken off the
// queue. When its turn comes its outcome stands already, and that answers it. So
// the order changes, and nothing that the commit protocol promises does. See savable
// for what comes before both.
type fair struct {
	js    jetstream.JetStream
	woken chan struct{} // the scout has something to do

	mu       sync.Mutex
	shares   *shares
	pending  uint64                               // messages that waited at the last delivery
	first    string                               // mailbox of the last delivery: whose turn it seems to be
	passed   uint64                               // how far in the stream deliveries have come
	waiting  map[string][]*jetstream.RawStreamMsg // by mailbox, found by the scout
	taken    []string                             // mailboxes some of whose messages were taken from waiting or savable
	savable  savable
	scouting bool
	changed  chan struct{} // closed when a slot was given back or a message was found
	chance   *rand.Rand
}

func newFair(js jetstream.JetStream, slots Slots) *fair {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	return &fair{js: js, woken: make(chan struct{}, 1), shares: newShares(slots.Mailbox), savable: savable{deadline: slots.Deadline, found: map[string][]saved{}},
		waiting: map[string][]*jetstream.RawStreamMsg{}, changed: make(chan struct{}),
		chance: rand.New(rand.NewChaCha8(seed))} //nolint:gosec // not a secret
}

// began counts a slot of mailbox, whose message was delivered with pending more
// behind it, until the returned function is called.
func (f *fair) began(mailbox string, pending uint64, msg jetstream.Msg) (ended func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.first, f.pending = mailbox, pending
	if meta, err := msg.Metadata(); err == nil {
		f.passed = max(f.passed, meta.Sequence.Stream)
	}
	f.savable.behind = pending > 0 && f.savable.late(msg, now)
	f.shares.take(mailbox, now)
	f.wakeIfCrowded()
	return func() { f.ended(mailbox, now, true) }
}

// ended gives back a slot that mailbox has had since began, for a message in the order
// of the queue or for another.
func (f *fair) ended(mailbox string, began time.Time, ordinary bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.shares.give(mailbox, now)
	f.savable.ended(now.Sub(began), ordinary)
	f.change()
}

// drained notes that the queue had less than was asked for.
func (f *fair) drained() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = 0
}

// crowded reports whether mailboxes may be waiting for each other.
func (f *fair) crowded() bool { return f.pending > 0 || f.shares.leastRoom() == 0 }

func (f *fair) wakeIfCrowded() {
	if !f.scouting && f.crowded() || len(f.taken) > 0 {
		select {
		case f.woken <- struct{}{}:
		default:
		}
	}
}

func (f *fair) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// early is a message that is executed before its turn, in a slot of its mailbox.
type early struct {
	*jetstream.RawStreamMsg
	mailbox string
}

// allot divides free slots: messages to execute before their turn, and how many to
// take off the queue. When neither is any, something has to change first.
func (f *fair) allot(free int) (ahead []early, ordinary int, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for range free {
		if e, ok := f.savable.pick(f.shares, now, f.chance); ok {
			ahead = append(ahead, e)
			f.shares.take(e.mailbox, now)
			f.wasTaken(e.mailbox)
		} else if mailbox, ok := f.neediest(now); ok {
			ahead = append(ahead, early{f.pick(mailbox), mailbox})
			f.shares.take(mailbox, now)
		} else if ordinary < f.shares.leastRoom() {
			ordinary++
		}
	}
	f.wakeIfCrowded()
	return ahead, ordinary, f.changed
}

// pick takes one of the messages of mailbox that wait. Which one is chance: other
// workers have found the same.
func (f *fair) pick(mailbox string) *jetstream.RawStreamMsg {
	found := f.waiting[mailbox]
	i := f.chance.IntN(len(found))
	msg := found[i]
	f.waiting[mailbox] = slices.Delete(found, i, i+1)
	if len(found) == 1 {
		delete(f.waiting, mailbox)
	}
	f.wasTaken(mailbox)
	return msg
}

// wasTaken has the scout look for more of mailbox.
func (f *fair) wasTaken(mailbox string) {
	if !slices.Contains(f.taken, mailbox) {
		f.taken = append(f.taken, mailbox)
	}
}

// even is how little of another's share a mailbox must have had to be served before its
// turn: what is executed so is delivered once more, and shares that are about the same
// differ by chance.
const even = 31.0 / 32

// neediest returns the waiting mailbox that has had the least, if that is clearly less
// than the one whose turn it is has had, or if the queue can't be asked because somebody
// may have no more.
func (f *fair) neediest(now time.Time) (mailbox string, ok bool) {
	least := even * f.shares.used(f.first, now)
	if f.shares.leastRoom() == 0 {
		least = math.Inf(1)
	}
	for _, name := range slices.Sorted(maps.Keys(f.waiting)) {
		if used := f.shares.used(name, now); used < least && f.shares.room(name) > 0 {
			mailbox, least, ok = name, used, true
		}
	}
	return mailbox, ok
}

// While mailboxes may be waiting for each other, each is looked at this often, and
// at most a thousand in a second.
const (
	lookEvery    = 20 * time.Millisecond
	lookEach     = time.Millisecond
	lookPatience = 5 * time.Second
)

// run scouts whenever work waits, until ctx ends.
func (f *fair) run(ctx context.Context) {
	s := newScout(f.js)
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.woken:
		}
		for f.keepScouting() {
			if err := f.scout(ctx, s); err != nil && ctx.Err() == nil {
				zerolog.Ctx(ctx).Warn().Err(err).Msg("mailboxes are served in the order of the queue")
				pause(ctx, time.Second)
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// keepScouting forgets what was found when nobody needs it any more.
func (f *fair) keepScouting() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scouting = f.crowded()
	if !f.scouting {
		clear(f.waiting)
		clear(f.savable.found)
		f.taken, f.savable.behind = nil, false
	}
	return f.scouting
}

// scout looks once at every mailbox, and then, for a while, at those that were
// given slots.
func (f *fair) scout(ctx context.Context, s *scout) error {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	if err := s.learn(ctx); err != nil {
		return err
	}
	if err := f.look(ctx, s, s.mailboxes()); err != nil {
		return err
	}
	over := time.Now().Add(max(lookEvery, time.Duration(len(s.trails))*lookEach))
	round := time.NewTimer(time.Until(over))
	defer round.Stop()
	for {
		if !time.Now().Before(over) {
			return nil // select would choose by chance when both are ready
		}
		select {
		case <-round.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-f.woken:
		}
		f.mu.Lock()
		taken := f.taken
		f.taken = nil
		f.mu.Unlock()
		if err := f.look(ctx, s, taken); err != nil {
			return err
		}
	}
}

// look finds messages of mailboxes as far as they are needed.
func (f *fair) look(ctx context.Context, s *scout, mailboxes []string) error {
	for _, name := range mailboxes {
		s.passed = f.progress()
		for f.needs(name) {
			msg, err := s.look(ctx, name)
			if err != nil {
				return err
			}
			if msg == nil {
				break
			}
			f.mu.Lock()
			f.waiting[name] = append(f.waiting[name], msg)
			f.change()
			f.mu.Unlock()
		}
		if err := f.save(ctx, s, name); err != nil {
			return err
		}
	}
	return nil
}

// progress is how far in the stream deliveries have come.
func (f *fair) progress() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.passed
}

// lookAhead is how many messages of a mailbox are known at most.
const lookAhead = 8

// needs reports whether more messages of mailbox are of use. The one whose turn it
// is needs none.
func (f *fair) needs(mailbox string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting[mailbox]) < lookAhead && mailbox != f.first
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
