package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
)

// ledger is what the checker remembers. It sees every change at the servers, in
// the order in which they are made, and objects at once: what a later change would
// repair, somebody could have seen.
type ledger struct {
	alive     map[*process]bool
	accepted  map[execution.Key]bool              // what somebody was told is accepted
	opened    map[execution.Key]time.Time         // when a redrive first published the generation
	committed map[execution.Key]execution.Outcome // by whom and how each generation ended
	files     map[string]string                   // SHA-256 of what outcomes point at, by key
	told      map[execution.Key]map[string]bool   // attempts that an event says have ended it
	spent     float64                             // USD that the Lambda's runs cost
	mending
}

func newLedger() ledger {
	return ledger{alive: map[*process]bool{}, accepted: map[execution.Key]bool{}, opened: map[execution.Key]time.Time{},
		committed: map[execution.Key]execution.Outcome{}, files: map[string]string{}, told: map[execution.Key]map[string]bool{},
		mending: newMending()}
}

// wrote sees an object being written.
func (l *ledger) wrote(w *world, p *process, key string, data, before []byte, existed bool) {
	if sum, pointed := l.files[key]; pointed && sum != digest(data) {
		w.violate("I3", "%s changes %s, which a committed outcome points at", p.name, stable(key))
	}
	if !strings.HasPrefix(key, "outcome/") {
		return
	}
	if existed {
		w.violate("I3", "%s writes the outcome %s again, with %s bytes", p.name, key,
			map[bool]string{true: "the same", false: "other"}[bytes.Equal(before, data)])
		return
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	var o execution.Outcome
	if err := json.Unmarshal(line, &o); err != nil || outcome.Path(o.Key) != key {
		w.violate("I3", "%s writes no outcome at %s: %v", p.name, key, err)
		return
	}
	l.committed[o.Key] = o
	w.seen[string(o.Kind)+" by "+o.Executor]++
	if o.Key.Generation > 1 {
		w.seen["redriven"]++
	}
	w.note(p.name, "commit", o.Key.String(), string(o.Kind))
	w.silence(o.Key)
	for _, f := range o.Files {
		if f.Key == "" {
			continue
		}
		if digest(w.objects[f.Key]) != f.SHA256 {
			w.violate("I3", "the outcome of %s points at other bytes than its own", o.Key)
		}
		l.files[f.Key] = f.SHA256
	}
	next := o.Key
	next.Generation++
	if _, redriven := l.opened[next]; redriven {
		w.violate("I7", "%s commits %s, which was redriven", p.name, o.Key)
	}
	if at, redriven := l.opened[o.Key]; o.Key.Generation > 1 && (!redriven || !o.Started.IsZero() && o.Started.Before(at)) {
		w.violate("I7", "%s commits %s with an attempt from before the redrive", p.name, o.Key)
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// stored sees a message being stored, by a process or by the server itself.
func (l *ledger) stored(s *stream, p *process, m *stored) {
	switch {
	case s.cfg.Retention == jetstream.WorkQueuePolicy:
		l.arrives(s.w, p, m)
	case s.cfg.Name == bus.StreamEvents:
		l.event(s.w, m)
	case s.cfg.Name == bus.StreamDead:
		l.letter(s.w, m)
	case s.cfg.Name == "KV_"+bus.BucketState && len(m.data) > 0:
		l.record(s.w, m)
	}
}

// event: an end that is told is the one that stands.
func (l *ledger) event(w *world, m *stored) {
	var e execution.Event
	if err := json.Unmarshal(m.data, &e); err != nil {
		w.violate("I1", "unreadable event on %s: %v", m.subject, err)
		return
	}
	if !e.Data.State.Terminal() {
		return
	}
	o, ended := l.committed[e.Data.Key]
	if !ended || o.Kind.Terminal() != e.Data.State || o.Attempt != e.Data.Attempt {
		w.violate("I1", "%s is told to be %s by %s, and its outcome says %q by %s", e.Data.Key, e.Data.State, e.Data.Attempt, o.Kind, o.Attempt)
	}
	if l.told[e.Data.Key] == nil {
		l.told[e.Data.Key] = map[string]bool{}
	}
	l.told[e.Data.Key][e.Data.Attempt] = true
}

// letter: what is dead-lettered is dead, or never was an execution.
func (l *ledger) letter(w *world, m *stored) {
	path := strings.TrimPrefix(m.subject, "sage.dead.")
	if k, err := execution.ParsePath(path); err == nil {
		if o := l.committed[k]; o.Kind != execution.Dead {
			w.violate("I1", "%s has a dead letter, and its outcome is %q", k, o.Kind)
		}
		return
	}
	if k, ok := keyOf(m.header.Get("Sage-Subject"), m.data); ok {
		w.violate("I1", "a message of %s is refused with %s: %s", k, m.header.Get("Sage-Code"), m.header.Get("Sage-Reason"))
	}
}

// record: one that says how it ended says what the outcome says.
func (l *ledger) record(w *world, m *stored) {
	var r state.Record
	if err := json.Unmarshal(m.data, &r); err != nil {
		w.violate("I1", "unreadable record %s: %v", m.subject, err)
		return
	}
	o, ended := l.committed[r.Key]
	if r.State.Terminal() && (!ended || o.Kind.Terminal() != r.State || o.Attempt != r.Attempt) {
		w.violate("I1", "the record of %s says %s by %s, and its outcome %q by %s", r.Key, r.State, r.Attempt, o.Kind, o.Attempt)
	}
}

// removed sees a message leaving a stream. Work may only leave when something has
// taken its place.
func (l *ledger) removed(s *stream, m *stored, why string) {
	if s.cfg.Retention != jetstream.WorkQueuePolicy {
		return
	}
	w := s.w
	k, ok := m.work()
	if l.leaves(w, k, why); why == lost {
		return
	}
	if !ok {
		mailbox, _, _ := bus.ParseWork(m.subject)
		if w.streams[bus.StreamDead].lastOf(bus.SubjectRefused(mailbox, s.cfg.Name, m.seq)) == nil {
			w.violate("I4", "%s#%d, which is no request, is %s without a dead letter", m.subject, m.seq, why)
		}
		return
	}
	if w.waits(k) > 0 {
		return
	}
	o, ended := l.committed[k]
	switch {
	case !ended && l.taken[k].After(m.at): // what took its place is lost
	case !ended:
		w.violate("I4", "%s is %s, has no outcome, and no message of it is left", k, why)
	case o.Kind == execution.Dead && w.streams[bus.StreamDead].lastOf(bus.SubjectDead(k)) == nil:
		w.violate("I5", "%s is dead and %s, without a dead letter", k, why)
	}
}

// waits is how many messages of k there are.
func (w *world) waits(k execution.Key) (n int) {
	for _, name := range []string{bus.StreamExecutions, bus.StreamLater} {
		for _, m := range w.streams[name].msgs {
			if other, ok := m.work(); ok && other == k {
				n++
			}
		}
	}
	return n
}

// keyOf is the execution that a message of work asks for.
func keyOf(subject string, data []byte) (execution.Key, bool) {
	var r execution.Request
	if json.Unmarshal(data, &r) != nil || r.ID == "" {
		return execution.Key{}, false
	}
	mailbox := strings.Split(subject+"..", ".")[2]
	return execution.Key{Mailbox: mailbox, ID: r.ID, Generation: max(r.Generation, 1)}, true
}
