package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// scout looks which mailboxes have work waiting, behind whatever stands before it
// in the queue. It reads the stream without consuming.
type scout struct {
	js     jetstream.JetStream
	stream jetstream.Stream // the queue
	trails map[string]trail // by mailbox
	later  map[string]trail // by mailbox: the same, of what can still end in time
	survey time.Time        // when the next one is due

	// passed is how far in the stream deliveries have come: what is before is with somebody,
	// and a search that begins before all there is costs the server a look at every subject.
	passed uint64
}

// trail is how far the work of one mailbox has been looked at: the sequence to go
// on from, by subject filter.
type trail map[string]uint64

// A survey reads the names of many subjects, so it is made again only after many
// times as long as it took.
const (
	surveyEvery = 100 * time.Millisecond // at most
	surveyShare = 50
	// surveyLimit is how many subjects of waiting work are read. With more, only
	// mailboxes that have been heard of by an event are known.
	surveyLimit = 10_000
)

func newScout(js jetstream.JetStream) *scout {
	return &scout{js: js, trails: map[string]trail{}, later: map[string]trail{}}
}

// learn finds out which mailboxes there are: all that events tell of, and those
// with work waiting unless that is too much to read.
func (s *scout) learn(ctx context.Context) error {
	if time.Now().Before(s.survey) {
		return nil
	}
	began := time.Now()
	events, err := s.js.Stream(ctx, bus.StreamEvents)
	if err != nil {
		return fmt.Errorf("stream %s: %w", bus.StreamEvents, err)
	}
	told, err := events.Info(ctx, jetstream.WithSubjectFilter(bus.EventFilter))
	if err != nil {
		return fmt.Errorf("subjects of %s: %w", bus.StreamEvents, err)
	}
	for subject := range told.State.Subjects {
		if mailbox, ok := bus.EventMailbox(subject); ok {
			s.know(mailbox, bus.SubjectExec(mailbox, "*"))
		}
	}
	if s.stream, err = s.js.Stream(ctx, bus.StreamExecutions); err != nil {
		return fmt.Errorf("stream %s: %w", bus.StreamExecutions, err)
	}
	if s.stream.CachedInfo().State.NumSubjects <= surveyLimit {
		info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(bus.ExecFilter))
		if err != nil {
			return fmt.Errorf("subjects of %s: %w", bus.StreamExecutions, err)
		}
		for subject := range info.State.Subjects {
			s.meet(subject)
		}
	}
	s.survey = time.Now().Add(max(surveyEvery, surveyShare*time.Since(began)))
	return nil
}

// meet learns of the mailbox whose work came on subject.
func (s *scout) meet(subject string) {
	mailbox, id, err := bus.ParseWork(subject)
	switch {
	case err != nil: // refused when it is delivered
	case id == "":
		s.know(mailbox, subject)
	default:
		s.know(mailbox, bus.SubjectExec(mailbox, "*"))
	}
}

func (s *scout) know(mailbox, filter string) {
	t := s.trails[mailbox]
	if t == nil {
		t = trail{}
		s.trails[mailbox] = t
	}
	if _, known := t[filter]; !known {
		t[filter] = 1
	}
}

func (s *scout) mailboxes() []string { return slices.Sorted(maps.Keys(s.trails)) }

// look finds the next waiting message of mailbox that it has not returned before,
// or nil.
func (s *scout) look(ctx context.Context, mailbox string) (*jetstream.RawStreamMsg, error) {
	t := s.trails[mailbox]
	for _, filter := range slices.Sorted(maps.Keys(t)) {
		msg, err := s.next(ctx, filter, max(t[filter], s.passed+1))
		if err != nil {
			return nil, err
		}
		if msg != nil {
			t[filter] = msg.Sequence + 1
			return msg, nil
		}
	}
	return nil, nil
}

// next is the first message of filter at a sequence or after it, or nil.
func (s *scout) next(ctx context.Context, filter string, sequence uint64) (*jetstream.RawStreamMsg, error) {
	msg, err := s.stream.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(filter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", filter, err)
	}
	return msg, nil
}

// lookSince finds the next waiting message of mailbox, of those stored since a moment,
// that it has not returned before, or nil.
func (s *scout) lookSince(ctx context.Context, mailbox string, since time.Time) (*jetstream.RawStreamMsg, error) {
	t := s.later[mailbox]
	if t == nil {
		t = trail{}
		s.later[mailbox] = t
	}
	for _, filter := range slices.Sorted(maps.Keys(s.trails[mailbox])) {
		from := max(t[filter], s.passed+1)
		msg, err := s.next(ctx, filter, from)
		if err == nil && msg != nil && msg.Time.Before(since) {
			from = msg.Sequence + 1
			msg, from, err = s.skip(ctx, filter, from, since)
		}
		if err != nil {
			return nil, err
		}
		t[filter] = from
		if msg != nil {
			t[filter] = msg.Sequence + 1
			return msg, nil
		}
	}
	return nil, nil
}

// skip finds the first message of filter from a sequence on that was stored since a
// moment, or nil, and the sequence to go on from. Messages lie in the order of their
// time, so it looks ever further ahead and then between.
func (s *scout) skip(ctx context.Context, filter string, from uint64, since time.Time) (found *jetstream.RawStreamMsg, goOn uint64, err error) {
	end := from
	for step := uint64(1); ; step *= 2 {
		end = from + step
		if found, err = s.next(ctx, filter, end); err != nil {
			return nil, from, err
		}
		if found == nil || !found.Time.Before(since) {
			break
		}
		from = found.Sequence + 1
	}
	for from < end {
		middle := from + (end-from)/2
		msg, err := s.next(ctx, filter, middle)
		switch {
		case err != nil:
			return nil, from, err
		case msg == nil:
			end = middle
		case msg.Time.Before(since):
			from = msg.Sequence + 1
		default:
			found, end = msg, middle
		}
	}
	return found, from, nil
}
