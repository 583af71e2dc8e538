// Package queue moves executions through JetStream: it publishes requests, hands
// them to an executor, and alone decides what becomes of a message.
//
// A message is acknowledged only when something durable has taken its place: an
// outcome, a scheduled retry, or a dead letter. A failed attempt becomes a
// scheduled message, because a delayed negative acknowledgement would occupy one
// of the consumer's slots while it waits.
package queue

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/trace"
)

// Headers that the fleet puts on its messages.
const (
	headerEnqueued = "Sage-Enqueued" // when the first message was accepted, RFC 3339
	headerMove     = "Sage-Move"     // names one move of a retry, unguessably
	headerLocal    = "Sage-Local"    // the retry belongs to the queue for workers only
)

// Slots is how much a worker does at once.
type Slots struct {
	// Fleet is how many executions run at once; 0 is one for each core.
	Fleet int `env:"SLOTS" envDefault:"0"`
	// Local is how many executions that no Lambda can take run besides: a file of
	// many gigabytes neither waits behind small ones nor holds them up.
	Local int `env:"LOCAL_SLOTS" envDefault:"1"`
	// Mailbox is how many of the first one mailbox may have at once in this worker, so that a
	// fleet has as many times the workers; 0 is all. When several mailboxes have work waiting
	// they share the slots evenly in any case. Bridges know no such limit.
	Mailbox int `env:"MAILBOX_SLOTS" envDefault:"0"`
	// Deadline is how long after its acceptance an execution should have ended, as for a bridge.
	// While the oldest can't any more, three of four slots go to what can; 0 is never.
	Deadline time.Duration `env:"OVERFLOW_DEADLINE"`
}

// Validate refuses values that can't work, by variable.
func (s Slots) Validate() error {
	switch {
	case s.Fleet < 0:
		return settings.Invalid("SLOTS", s.Fleet, "1 or more, or 0 for one for each core")
	case s.Local < 1:
		return settings.Invalid("LOCAL_SLOTS", s.Local, "1 or more")
	case s.Mailbox < 0:
		return settings.Invalid("MAILBOX_SLOTS", s.Mailbox, "1 or more, or 0 for no limit")
	case s.Deadline < 0:
		return settings.Invalid("OVERFLOW_DEADLINE", s.Deadline, "0 or more")
	}
	return nil
}

// Config says how a consumer ends its work and repeats what failed.
type Config struct {
	// Drain is how long work in flight may take after the end was asked for. It
	// must be shorter than the platform's patience.
	Drain time.Duration `env:"DRAIN" envDefault:"25s"`
	// The wait before a retry is a random time up to this, doubled with each
	// failure, and at most BACKOFF_CAP.
	BackoffBase time.Duration `env:"BACKOFF_BASE" envDefault:"1s"`
	BackoffCap  time.Duration `env:"BACKOFF_CAP" envDefault:"5m"` // the longest wait before a retry
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case c.Drain < 0:
		return settings.Invalid("DRAIN", c.Drain, "a positive duration, or 0 to hand everything back at once")
	case c.BackoffBase <= 0:
		return settings.Invalid("BACKOFF_BASE", c.BackoffBase, "a positive duration")
	case c.BackoffCap < c.BackoffBase:
		return settings.Invalid("BACKOFF_CAP", c.BackoffCap, "at least BACKOFF_BASE")
	}
	return nil
}

// message is a delivered request and where it came from.
type message struct {
	jetstream.Msg
	meta    *jetstream.MsgMetadata
	mailbox string
	request execution.Request
	attempt execution.Attempt
}

// read decodes a delivered message. Its errors are permanent: the message is not
// an execution and never will be. m is complete enough to be refused even then.
func read(msg jetstream.Msg) (m message, err error) {
	m = message{Msg: msg, mailbox: "unknown"}
	if m.meta, err = msg.Metadata(); err != nil {
		return m, fault.Permanent(fmt.Errorf("read metadata: %w", err))
	}
	err = m.decode()
	return m, err
}

// readStored decodes a message that is still on the queue.
func readStored(raw *jetstream.RawStreamMsg) (m message, err error) {
	meta := &jetstream.MsgMetadata{Stream: bus.StreamExecutions, Timestamp: raw.Time, NumDelivered: 1,
		Sequence: jetstream.SequencePair{Stream: raw.Sequence}}
	m = message{Msg: stored{raw: raw}, meta: meta, mailbox: "unknown"}
	err = m.decode()
	m.attempt.Early = true
	return m, err
}

// stored is a message that was not delivered: it can be read and not settled.
type stored struct {
	jetstream.Msg
	raw *jetstream.RawStreamMsg
}

func (s stored) Subject() string      { return s.raw.Subject }
func (s stored) Headers() nats.Header { return s.raw.Header }
func (s stored) Data() []byte         { return s.raw.Data }

func (m *message) decode() error {
	mailbox, id, err := bus.ParseWork(m.Subject())
	if mailbox != "" && execution.ValidateMailbox(mailbox) == nil {
		m.mailbox = mailbox
	}
	if err != nil {
		return fault.Permanent(err)
	}
	m.request, err = execution.Decode(m.Data(), execution.Origin{Mailbox: mailbox, ID: id,
		Stream: m.meta.Stream, Sequence: m.meta.Sequence.Stream, Time: m.meta.Timestamp})
	accepted := acceptedAt(m.Headers().Get(headerEnqueued), m.meta.Timestamp.UTC())
	if errors.Is(err, execution.ErrNewer) { // it goes on from here
		m.attempt = execution.Attempt{Request: m.request, Enqueued: accepted}
	}
	if err != nil {
		return err
	}
	if header := m.Headers().Get(trace.Header); trace.Valid(header) { // anybody could have set it
		m.request.Trace = header
	}
	m.attempt = execution.Attempt{Request: m.request, Deliveries: int(m.meta.NumDelivered), Enqueued: accepted} //nolint:gosec // far below 2^63
	return nil
}

// acceptedAt reads a header that any producer could have set: it may say that the
// request was accepted before this message was, within reason.
func acceptedAt(header string, stored time.Time) time.Time {
	at, err := time.Parse(time.RFC3339Nano, header)
	if err != nil || at.After(stored) || stored.Sub(at) > maxWait {
		return stored
	}
	return at.UTC()
}

// maxWait is longer than any execution can wait for its turn.
const maxWait = 90 * 24 * time.Hour

// enqueued is when the first message of the execution was accepted, as far as m
// can tell.
func (m message) enqueued() time.Time {
	if m.attempt.Enqueued.IsZero() { // refused before it was an attempt
		return m.meta.Timestamp.UTC()
	}
	return m.attempt.Enqueued
}

// local reports whether m is for workers only.
func (m message) local() bool { return bus.IsLocal(m.Subject()) || m.Headers().Get(headerLocal) != "" }

// maxTrace is how long a traceparent may be: room for headers is scarce when the payload
// is at its limit.
const maxTrace = 512

// copyOf returns a message for subject with m's payload and what must survive a
// move: the id, in the subject, and the time of acceptance.
func (m message) copyOf(subject string) *nats.Msg {
	out := nats.NewMsg(subject)
	out.Data = m.Data()
	out.Header.Set(headerEnqueued, m.enqueued().Format(time.RFC3339Nano))
	if parent := m.Headers().Get(trace.Header); parent != "" && len(parent) <= maxTrace {
		out.Header.Set(trace.Header, parent)
	}
	return out
}
