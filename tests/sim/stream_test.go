package sim

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// stream is a JetStream stream, as nats-server 2.15 behaves; see the conformance
// test. A bucket is a stream too.
type stream struct {
	w         *world
	cfg       jetstream.StreamConfig
	marker    time.Duration // how long the mark lives that an expired subject leaves; 0 leaves none
	last      uint64
	msgs      []*stored // by sequence
	ids       map[string]sent
	consumers map[string]*consumer
	watchers  []*watcher
}

// stored is a message in a stream.
type stored struct {
	seq     uint64
	subject string
	header  nats.Header
	data    []byte
	at      time.Time
	timer   *time.Timer // its end, or when its schedule fires
	gone    bool
	asked   *asked // what keyOf read, once it was asked
}

type asked struct {
	key execution.Key
	ok  bool
}

// work is the execution that a message of work asks for.
func (m *stored) work() (execution.Key, bool) {
	if m.asked == nil {
		m.asked = &asked{}
		m.asked.key, m.asked.ok = keyOf(m.subject, m.data)
	}
	return m.asked.key, m.asked.ok
}

// sent is when a message id was used, and for what.
type sent struct {
	seq uint64
	at  time.Time
}

func (w *world) addStream(cfg jetstream.StreamConfig, consumers []jetstream.ConsumerConfig) *stream {
	s := &stream{w: w, cfg: cfg, ids: map[string]sent{}, consumers: map[string]*consumer{}, marker: cfg.SubjectDeleteMarkerTTL}
	for _, c := range consumers {
		s.consumers[c.Name] = &consumer{stream: s, cfg: c, next: 1, delivery: 1, tried: map[uint64]int{}, pending: map[uint64]*pending{}}
	}
	w.streams[cfg.Name] = s
	return s
}

// streamOf is the stream that takes subject, or nil.
func (w *world) streamOf(subject string) *stream {
	for _, s := range w.streams {
		for _, pattern := range s.cfg.Subjects {
			if matches(pattern, subject) {
				return s
			}
		}
	}
	return nil
}

// matches reports whether subject is one of pattern's.
func matches(pattern, subject string) bool {
	for {
		want, wants, more := strings.Cut(pattern, ".")
		token, rest, left := strings.Cut(subject, ".")
		switch {
		case want == ">":
			return token != ""
		case want != "*" && want != token, more != left:
			return false
		case !more:
			return true
		}
		pattern, subject = wants, rest
	}
}

func apiError(code jetstream.ErrorCode, text string) error {
	return &jetstream.APIError{Code: 400, ErrorCode: code, Description: text}
}

// Errors that the client has no name for.
const (
	errSchedules jetstream.ErrorCode = 10188
	errTooLarge  jetstream.ErrorCode = 10054
)

// publish stores a message from p, or says why not.
func (s *stream) publish(p *process, subject string, header nats.Header, data []byte) (*jetstream.PubAck, error) {
	switch {
	case s.cfg.MaxMsgSize > 0 && len(data)+headerSize(header) > int(s.cfg.MaxMsgSize):
		return nil, apiError(errTooLarge, "message size exceeds maximum allowed")
	case !s.cfg.AllowMsgSchedules && (header.Get("Nats-Schedule") != "" || header.Get("Nats-Scheduler") != ""):
		return nil, apiError(errSchedules, "message schedules is disabled")
	}
	if id := header.Get(jetstream.MsgIDHeader); id != "" {
		if before, used := s.ids[id]; used && time.Since(before.at) < s.cfg.Duplicates {
			return &jetstream.PubAck{Stream: s.cfg.Name, Sequence: before.seq, Duplicate: true}, nil
		}
	}
	if want := header.Get(jetstream.ExpectedLastSubjSeqHeader); want != "" {
		last := uint64(0)
		if m := s.lastOf(subject); m != nil {
			last = m.seq
		}
		if expected, _ := strconv.ParseUint(want, 10, 64); expected != last {
			return nil, apiError(jetstream.JSErrCodeStreamWrongLastSequence, "wrong last sequence: "+strconv.FormatUint(last, 10))
		}
	}
	return s.store(p, subject, header, data)
}

// store adds a message that nothing speaks against.
func (s *stream) store(p *process, subject string, header nats.Header, data []byte) (*jetstream.PubAck, error) {
	now := time.Now()
	s.last++
	m := &stored{seq: s.last, subject: subject, header: maps.Clone(header), data: data, at: now}
	if id := header.Get(jetstream.MsgIDHeader); id != "" {
		s.ids[id] = sent{m.seq, now}
	}
	s.msgs = append(s.msgs, m)
	s.makeRoom(m)
	s.setTimer(m)
	s.w.ledger.stored(s, p, m)
	s.tell(m)
	for _, c := range s.consumers {
		c.serve()
	}
	return &jetstream.PubAck{Stream: s.cfg.Name, Sequence: m.seq}, nil
}

func headerSize(header nats.Header) (n int) {
	if len(header) == 0 {
		return 0
	}
	n = len("NATS/1.0\r\n\r\n")
	for name, values := range header {
		for _, v := range values {
			n += len(name) + len(": \r\n") + len(v)
		}
	}
	return n
}

// makeRoom removes what m takes the place of.
func (s *stream) makeRoom(m *stored) {
	keep := s.cfg.MaxMsgsPerSubject
	if m.header.Get(jetstream.MsgRollup) == jetstream.MsgRollupSubject || m.header.Get("Nats-Schedule") != "" {
		keep = 1
	}
	if keep < 1 {
		return
	}
	var same []*stored
	for _, other := range s.msgs {
		if other.subject == m.subject {
			same = append(same, other)
		}
	}
	for len(same) > int(keep) {
		s.remove(same[0], "replaced")
		same = same[1:]
	}
}

// setTimer arranges for m's end, or for its schedule to fire.
func (s *stream) setTimer(m *stored) {
	if text, at := strings.CutPrefix(m.header.Get("Nats-Schedule"), "@at "); at {
		if due, err := time.Parse(time.RFC3339Nano, text); err == nil {
			late := between(s.w.plan.number("late", m.subject, strconv.FormatUint(m.seq, 10)), time.Millisecond, 6*time.Millisecond)
			m.timer = time.AfterFunc(max(time.Until(due), 0)+late, func() { s.fire(m) })
		}
		return
	}
	if ttl, err := time.ParseDuration(m.header.Get(jetstream.MsgTTLHeader)); err == nil && s.cfg.AllowMsgTTL {
		// A bit later each, so that no two that were restored expire at once.
		m.timer = time.AfterFunc(max(time.Until(m.at.Add(ttl.Truncate(time.Second))), 0)+time.Duration(m.seq), func() { s.expire(m) })
	}
}

// fire emits what m schedules, and m is spent.
func (s *stream) fire(m *stored) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if m.gone {
		return
	}
	header := nats.Header{}
	for name, values := range m.header {
		if !strings.HasPrefix(name, "Nats-") {
			header[name] = values
		}
	}
	header.Set("Nats-Scheduler", m.subject)
	header.Set("Nats-Schedule-Next", "purge")
	s.w.seen["retry due"]++
	s.w.note("nats", "fire", m.subject, "")
	_, _ = s.store(nil, m.header.Get("Nats-Schedule-Target"), header, m.data)
	s.remove(m, "fired")
}

// expire ends m's life. Where deletions are marked, the mark takes its place.
func (s *stream) expire(m *stored) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if m.gone {
		return
	}
	s.w.note("nats", "expire", m.subject, "")
	s.remove(m, "expired")
	if s.marker == 0 || isMarker(m) || s.lastOf(m.subject) != nil {
		return
	}
	header := nats.Header{}
	header.Set(jetstream.MarkerReasonHeader, "MaxAge")
	header.Set(jetstream.MsgTTLHeader, s.marker.String())
	_, _ = s.publish(nil, m.subject, header, nil)
}

// Headers of the client's own, for what a deletion leaves.
const (
	headerKVOperation = "KV-Operation"
	kvPurge           = "PURGE"
	kvDelete          = "DEL"
)

func isMarker(m *stored) bool {
	return m.header.Get(jetstream.MarkerReasonHeader) != "" || m.header.Get(headerKVOperation) == kvPurge
}

// remove takes m out of the stream.
func (s *stream) remove(m *stored, why string) {
	if m.gone {
		return
	}
	m.gone = true
	if m.timer != nil {
		m.timer.Stop()
	}
	for i, other := range s.msgs {
		if other == m {
			s.msgs = append(s.msgs[:i:i], s.msgs[i+1:]...)
			break
		}
	}
	for _, c := range s.consumers {
		if c.pending[m.seq] != nil { // nobody can settle it any more
			c.forget(m.seq)
		}
	}
	s.w.ledger.removed(s, m, why)
}

// lastOf is the last message of subject, or nil.
func (s *stream) lastOf(subject string) *stored {
	for i := len(s.msgs) - 1; i >= 0; i-- {
		if s.msgs[i].subject == subject {
			return s.msgs[i]
		}
	}
	return nil
}
