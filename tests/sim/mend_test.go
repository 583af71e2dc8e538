package sim

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// mending is what the checker remembers of the reconcilers: work that merely waits is
// never republished (step 11).
type mending struct {
	present map[execution.Key]time.Time // since when there is always some message of it
	looks   map[string][]time.Time      // by process and subject: when it looked into the queue

	tried map[execution.Key]bool      // to tell its end
	taken map[execution.Key]time.Time // when a message was last lost
}

func newMending() mending {
	return mending{present: map[execution.Key]time.Time{}, looks: map[string][]time.Time{},
		tried: map[execution.Key]bool{}, taken: map[execution.Key]time.Time{}}
}

// tells sees a process send an event, which may get lost.
func (l *mending) tells(w *world, data []byte) {
	var e execution.Event
	if json.Unmarshal(data, &e) == nil && e.Data.State.Terminal() {
		w.mu.Lock()
		defer w.mu.Unlock()
		l.tried[e.Data.Key] = true
	}
}

// mayBeUntold: a worker or a bridge writes the record and the event of an end at once, and
// whoever finds the record takes the event for told. If it was not, the message sees to it;
// and if a calamity has taken that, nobody does.
func (l *mending) mayBeUntold(k execution.Key) bool { return l.tried[k] && !l.taken[k].IsZero() }

// looked sees a process look for the last message of a subject of the queue.
func (l *mending) looked(p *process, subject string) {
	if strings.HasPrefix(subject, "sage.exec.") {
		l.looks[p.name+" "+subject] = append(l.looks[p.name+" "+subject], time.Now())
	}
}

// Who looks for an execution and finds nothing has looked into the queue twice; who
// believes it has done that twice.
const looksOnce, looksTwice = 2, 4

// republished sees p put m on the queue because there was no message of k.
func (l *mending) republished(w *world, p *process, m *stored, k execution.Key) {
	w.seen["republished"]++
	looks := l.looks[p.name+" "+m.subject]
	if len(looks) == 0 {
		w.violate("S11", "%s republishes %s and hasn't looked for it", p.name, k)
		return
	}
	lately, before := looks[max(0, len(looks)-looksOnce)], looks[max(0, len(looks)-looksTwice)]
	for _, name := range []string{bus.StreamExecutions, bus.StreamLater} {
		for _, other := range w.streams[name].msgs {
			if key, ok := other.work(); ok && key == k && other != m && other.at.Before(lately) {
				w.violate("S11", "%s republishes %s, which waits on %s since %v", p.name, k, other.subject, other.at.Sub(w.begin))
			}
		}
	}
	if since, ok := l.present[k]; ok && since.Before(before) {
		w.violate("S11", "%s republishes %s, of which there always was a message since %v, and it first looked at %v",
			p.name, k, since.Sub(w.begin), before.Sub(w.begin))
	}
}

// arrives sees p store a message of work, if it was a process.
func (l *mending) arrives(w *world, p *process, m *stored) {
	k, ok := m.work()
	if !ok {
		return
	}
	if p != nil && strings.HasPrefix(m.header.Get(jetstream.MsgIDHeader), k.String()+":k") {
		l.republished(w, p, m, k)
	}
	if _, ok := l.present[k]; !ok {
		l.present[k] = time.Now()
	}
}

// leaves sees a message of k go.
func (l *mending) leaves(w *world, k execution.Key, why string) {
	if why == lost {
		l.taken[k] = time.Now()
	}
	if w.waits(k) == 0 {
		delete(l.present, k)
	}
}

// underWay is what the ledger says may be running, of which nobody says the end.
func (w *world) underWay() (open []delegation.Entry) {
	for _, m := range w.streams["KV_"+bus.BucketDelegations].msgs {
		var e delegation.Entry
		if json.Unmarshal(m.data, &e) == nil && e.State != "" && !e.State.Over() { // a reconciler's mark is no entry
			open = append(open, e)
		}
	}
	return open
}
