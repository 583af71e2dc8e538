package queue

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/conflict"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// Headers of dead letters.
const (
	headerCode     = "Sage-Code"
	headerReason   = "Sage-Reason"
	headerAttempts = "Sage-Attempts"
	headerSubject  = "Sage-Subject"
	headerStream   = "Sage-Stream"
	headerSequence = "Sage-Sequence"
	headerRedriven = "Sage-Redriven" // when and by whom; only of what was redriven
)

// ErrNoLetter says that there is no such dead letter.
var ErrNoLetter = errors.New("no dead letter")

// Letter is a dead letter: a message as it came, and why nobody executes it.
type Letter struct {
	Mailbox    string    `json:"mailbox"`
	Name       string    `json:"name"`       // the execution's id, or @stream-sequence when it names none
	Generation int       `json:"generation"` // 0 when it names no execution
	Code       string    `json:"code"`
	Reason     string    `json:"reason"`
	Attempts   int       `json:"attempts"`
	Subject    string    `json:"subject"` // that the message came on
	Stream     string    `json:"stream"`  // that it came from, and its place there
	Sequence   uint64    `json:"sequence"`
	Enqueued   time.Time `json:"enqueued,omitzero"`
	Stored     time.Time `json:"stored"`             // when it became a letter, or was redriven
	Redriven   string    `json:"redriven,omitempty"` // when and by whom
	Position   uint64    `json:"position"`           // among the dead letters

	Header nats.Header `json:"-"`
	Data   []byte      `json:"-"` // the message's payload
}

// Refused reports whether the message was never an execution.
func (l Letter) Refused() bool { return l.Generation == 0 }

// Local reports whether the message was for workers only.
func (l Letter) Local() bool { return bus.IsLocal(l.Subject) }

// Request reads the request that the message carries.
func (l Letter) Request() (execution.Request, error) {
	return execution.Decode(l.Data, execution.Origin{Mailbox: l.Mailbox, ID: l.Name, Stream: l.Stream, Sequence: l.Sequence})
}

// LetterFilter chooses dead letters.
type LetterFilter struct {
	Mailbox string    // of all when empty
	Code    string    // any when empty
	Since   time.Time // stored then or later
	After   uint64    // behind this position
	All     bool      // also what was redriven
}

// Letters yields the dead letters there are now, oldest first, one at a time. It
// ends after the first error.
func Letters(ctx context.Context, js jetstream.JetStream, f LetterFilter) iter.Seq2[Letter, error] {
	return func(yield func(Letter, error) bool) {
		if f.Mailbox != "" {
			if err := execution.ValidateMailbox(f.Mailbox); err != nil { // before it becomes a subject
				yield(Letter{}, err)
				return
			}
		}
		stream, err := js.Stream(ctx, bus.StreamDead)
		if err != nil {
			yield(Letter{}, fmt.Errorf("stream %s: %w", bus.StreamDead, err))
			return
		}
		from, end := f.After+1, stream.CachedInfo().State.LastSeq
		if from, err = firstSince(ctx, stream, f.Since, from, end); err != nil {
			yield(Letter{}, err)
			return
		}
		for from <= end { // a letter that is redriven meanwhile moves behind the end
			msg, err := stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(bus.SubjectDeadOf(f.Mailbox, "")))
			switch {
			case errors.Is(err, jetstream.ErrMsgNotFound):
				return
			case err != nil:
				yield(Letter{}, fmt.Errorf("read dead letters: %w", err))
				return
			case msg.Sequence > end:
				return
			}
			from = msg.Sequence + 1
			l, err := readLetter(msg)
			if err == nil && (l.Redriven != "" && !f.All || f.Code != "" && l.Code != f.Code) {
				continue
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// firstSince returns the first position in [from, end] that was stored at the
// time or later, or end+1. Positions and times grow together.
func firstSince(ctx context.Context, stream jetstream.Stream, since time.Time, from, end uint64) (uint64, error) {
	if since.IsZero() || from > end {
		return from, nil
	}
	var failed error
	n := sort.Search(int(end-from)+1, func(i int) bool { //nolint:gosec // far below 2^63
		if failed != nil {
			return true
		}
		// The message at a position, or the next there is.
		msg, err := stream.GetMsg(ctx, from+uint64(i), jetstream.WithGetMsgSubject(bus.SubjectDeadOf("", ""))) //nolint:gosec // not negative
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return true
		}
		if err != nil {
			failed = fmt.Errorf("read dead letters: %w", err)
			return true
		}
		return !msg.Time.Before(since)
	})
	return from + uint64(n), failed //nolint:gosec // not negative
}

// ReadLetter returns the dead letter of a generation of an execution, or of the
// message @stream-sequence with generation 0; or ErrNoLetter.
func ReadLetter(ctx context.Context, js jetstream.JetStream, mailbox, name string, generation int) (Letter, error) {
	stream, err := js.Stream(ctx, bus.StreamDead)
	if err != nil {
		return Letter{}, fmt.Errorf("stream %s: %w", bus.StreamDead, err)
	}
	msg, err := stream.GetLastMsgForSubject(ctx, bus.SubjectDead(execution.Key{Mailbox: mailbox, ID: name, Generation: generation}))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Letter{}, ErrNoLetter
	}
	if err != nil {
		return Letter{}, fmt.Errorf("read dead letter: %w", err)
	}
	return readLetter(msg)
}

// LastLetter is ReadLetter of the last generation that has a letter, unless a
// generation is given.
func LastLetter(ctx context.Context, js jetstream.JetStream, mailbox, name string, generation int) (Letter, error) {
	if generation > 0 || strings.HasPrefix(name, "@") {
		return ReadLetter(ctx, js, mailbox, name, generation)
	}
	stream, err := js.Stream(ctx, bus.StreamDead)
	if err != nil {
		return Letter{}, fmt.Errorf("stream %s: %w", bus.StreamDead, err)
	}
	last, from := Letter{}, uint64(1)
	for {
		msg, err := stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(bus.SubjectDeadOf(mailbox, name)))
		if errors.Is(err, jetstream.ErrMsgNotFound) && last.Name != "" {
			return last, nil
		}
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return last, ErrNoLetter
		}
		if err != nil {
			return last, fmt.Errorf("read dead letter: %w", err)
		}
		l, err := readLetter(msg)
		if err != nil {
			return last, err
		}
		if l.Generation > last.Generation {
			last = l
		}
		from = msg.Sequence + 1
	}
}

func readLetter(msg *jetstream.RawStreamMsg) (Letter, error) {
	h := msg.Header
	l := Letter{Code: h.Get(headerCode), Reason: h.Get(headerReason), Subject: h.Get(headerSubject), Stream: h.Get(headerStream),
		Stored: msg.Time, Redriven: h.Get(headerRedriven), Position: msg.Sequence, Header: h, Data: msg.Data}
	var err error
	if l.Mailbox, l.Name, l.Generation, err = bus.ParseDead(msg.Subject); err != nil {
		return l, err
	}
	// The headers are the fleet's own: what one of them lacks is no reason to hide the letter.
	l.Attempts, _ = strconv.Atoi(h.Get(headerAttempts))
	l.Sequence, _ = strconv.ParseUint(h.Get(headerSequence), 10, 64)
	l.Enqueued, _ = time.Parse(time.RFC3339Nano, h.Get(headerEnqueued))
	return l, nil
}

// MarkRedriven notes in l that who redrove it. A letter that was replaced
// meanwhile is left alone.
func MarkRedriven(ctx context.Context, js jetstream.JetStream, l Letter, who string) error {
	if l.Redriven != "" {
		return nil
	}
	msg := nats.NewMsg(bus.SubjectDead(execution.Key{Mailbox: l.Mailbox, ID: l.Name, Generation: l.Generation}))
	msg.Data = l.Data
	for name, values := range l.Header {
		if !strings.HasPrefix(name, "Nats-") { // the server's own
			msg.Header[name] = values
		}
	}
	msg.Header.Set(headerRedriven, headerText(time.Now().UTC().Format(time.RFC3339)+" "+who))
	_, err := js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(l.Position))
	if conflict.Is(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("mark dead letter: %w", err)
	}
	return nil
}
