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
	survey time.Time        // when the next one is due
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

func newScout(js jetstream.JetStream) *scout { return &scout{js: js, trails: map[string]trail{}} }

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
		msg, err := s.stream.GetMsg(ctx, t[filter], jetstream.WithGetMsgSubject(filter))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", filter, err)
		}
		t[filter] = msg.Sequence + 1
		return msg, nil
	}
	return nil, nil
}
