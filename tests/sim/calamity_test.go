package sim

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// calamity is what only the reconciler mends: the protocol's own steps get over
// everything else.
type calamity string

const (
	none      calamity = ""
	lostWork  calamity = "lost work"  // a restored server has lost messages
	lastWords calamity = "last words" // an outcome is all that is left: the processes die, and the message is lost
	records   calamity = "records"    // the bucket is restored from an older copy, or made anew
	locks     calamity = "locks"
	entries   calamity = "entries" // of the ledger of delegations
	lead      calamity = "lead"    // and heartbeats
)

var calamities = []calamity{none, none, lostWork, lostWork, lastWords, records, records, locks, entries, lead}

// buckets are those that a calamity restores.
var buckets = map[calamity]string{records: bus.BucketState, locks: bus.BucketLocks, entries: bus.BucketDelegations, lead: bus.BucketFleet}

// strike arranges for the seed's calamity, several times while other things go wrong.
func (w *world) strike() {
	for i := range 4 {
		n := w.plan.number("strike", strconv.Itoa(i))
		at := between(n, 2*time.Second, faultsEnd)
		if w.plan.calamity == lostWork {
			time.AfterFunc(at, func() { w.loseWork(strconv.Itoa(i)) })
			continue
		}
		if bucket, restored := buckets[w.plan.calamity]; restored && i < 2 {
			w.restore("KV_"+bucket, between(scramble(n), time.Second, at), at, n%4 == 0)
		}
	}
}

// lost is why a message is not there any more that a calamity took.
const lost = "lost"

// loseWork takes some messages away.
func (w *world) loseWork(strike string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range []string{bus.StreamExecutions, bus.StreamLater} {
		s := w.streams[name]
		for _, m := range slices.Clone(s.msgs) {
			if n := w.plan.number("lost", strike, name, strconv.FormatUint(m.seq, 10)); n%2 == 0 {
				s.lose(m, n%4 == 0)
			}
		}
	}
}

// lose takes m away, and perhaps the memory that there was such a message.
func (s *stream) lose(m *stored, forgotten bool) {
	s.w.seen["message lost"]++
	s.w.note("nats", "lose", m.subject, strconv.FormatUint(m.seq, 10))
	if forgotten {
		delete(s.ids, m.header.Get(jetstream.MsgIDHeader))
	}
	s.remove(m, lost)
}

// silence is called when k has ended, and leaves nothing but the outcome.
func (w *world) silence(k execution.Key) {
	if w.plan.calamity != lastWords || w.quiet() || w.plan.number("silence", k.String())%2 == 0 {
		return
	}
	for _, name := range []string{bus.StreamExecutions, bus.StreamLater} {
		s := w.streams[name]
		for _, m := range slices.Clone(s.msgs) {
			if other, ok := m.work(); ok && other == k {
				s.lose(m, false)
			}
		}
	}
	for i, p := range slices.SortedFunc(maps.Keys(w.ledger.alive), func(a, b *process) int { return cmp.Compare(a.name, b.name) }) {
		time.AfterFunc(time.Duration(i+1)*time.Microsecond, func() { p.crash("last words of " + k.String()) })
	}
}

// restore has a stream be at a moment as it was at another, or empty, as after a copy was
// put back. What is written next has the sequences of what is forgotten.
func (w *world) restore(name string, from, at time.Duration, empty bool) {
	var msgs []*stored
	var last uint64
	if !empty {
		time.AfterFunc(from, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			msgs, last = slices.Clone(w.streams[name].msgs), w.streams[name].last
		})
	}
	time.AfterFunc(at, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		s := w.streams[name]
		w.seen["bucket restored"]++
		w.note("nats", "restore", name, strconv.FormatUint(last, 10))
		for _, m := range s.msgs {
			m.gone = true
			if m.timer != nil {
				m.timer.Stop()
			}
		}
		s.msgs, s.last, s.ids = nil, last, map[string]sent{}
		for _, m := range msgs {
			again := *m
			again.gone = false
			s.msgs = append(s.msgs, &again)
			s.setTimer(&again)
		}
	})
}
