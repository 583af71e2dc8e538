package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// Sweeper moves stored messages on that nobody will be handed any more:
//
//   - retries whose time is long past: the schedule did not fire because something
//     was written over it, or what it emitted was not moved because no worker runs;
//   - requests that are neither pending nor in flight: the server gave them up,
//     because somebody had bounded the deliveries for a while.
//
// What it moves is copied to the queue first and deleted then, so that a crash, or
// a second sweeper, leaves a message twice and never not at all.
type Sweeper struct {
	js    jetstream.JetStream
	mover *Consumer
	grace time.Duration
	later uint64 // where the next sweep of LATER goes on

	held     func(context.Context, execution.Key) (bool, error)
	suspects map[uint64]bool // of EXECUTIONS, as the last sweep saw them
	missing  bool            // the last sweep counted more messages than consumers know
}

// NewSweeper returns a Sweeper for messages that are late by more than grace. held
// says whether somebody is at an execution.
func NewSweeper(js jetstream.JetStream, grace time.Duration, held func(context.Context, execution.Key) (bool, error)) *Sweeper {
	return &Sweeper{js: js, mover: &Consumer{js: js}, grace: grace, held: held}
}

// Sweep looks at no more than limit messages of each stream and returns the
// subjects of those that it moved. It goes on next time where it ended.
func (s *Sweeper) Sweep(ctx context.Context, limit int) (moved []string, err error) {
	fromLater, err := s.sweepLater(ctx, limit)
	if err != nil {
		return fromLater, err
	}
	fromQueue, err := s.sweepQueue(ctx, limit)
	return append(fromLater, fromQueue...), err
}

func (s *Sweeper) sweepLater(ctx context.Context, limit int) (moved []string, err error) {
	stream, err := s.js.Stream(ctx, bus.StreamLater)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", bus.StreamLater, err)
	}
	if stream.CachedInfo().State.Msgs == 0 {
		return nil, nil
	}
	for range limit {
		raw, err := stream.GetMsg(ctx, s.later+1, jetstream.WithGetMsgSubject(">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			s.later = 0
			return moved, nil
		}
		if err != nil {
			return moved, fmt.Errorf("sweep %s: %w", bus.StreamLater, err)
		}
		s.later = raw.Sequence
		if time.Since(due(raw)) < s.grace {
			continue
		}
		if err := s.mover.tryMove(ctx, stray{stored{raw: raw}, stream}); err != nil {
			return moved, err
		}
		moved = append(moved, raw.Subject)
	}
	return moved, nil
}

// due is when a message of LATER should have gone on.
func due(raw *jetstream.RawStreamMsg) time.Time {
	if at, ok := strings.CutPrefix(raw.Header.Get("Nats-Schedule"), "@at "); ok && bus.IsLater(raw.Subject) {
		if t, err := time.Parse(time.RFC3339Nano, at); err == nil {
			return t
		}
	}
	return raw.Time
}

// sweepQueue moves a message only if the sweep before saw it too: what is being
// acknowledged, or came while we counted, is gone by then.
func (s *Sweeper) sweepQueue(ctx context.Context, limit int) (moved []string, err error) {
	stream, err := s.js.Stream(ctx, bus.StreamExecutions)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", bus.StreamExecutions, err)
	}
	consumers, err := s.consumers(ctx, stream)
	if err != nil {
		return nil, err
	}
	unknown := stream.CachedInfo().State.Msgs
	for _, c := range consumers {
		unknown -= min(unknown, c.NumPending+uint64(c.NumAckPending)) //nolint:gosec // a count
	}
	before, missing := s.suspects, s.missing && unknown > 0
	s.suspects, s.missing = map[uint64]bool{}, unknown > 0
	for _, c := range consumers {
		given := c.AckFloor.Stream // what is there still up to here was given up
		if c.NumAckPending == 0 {
			given = c.Delivered.Stream
		}
		bound := given
		if missing || unknown > 0 {
			bound = c.Delivered.Stream
		}
		for sequence := uint64(1); len(s.suspects) < limit; {
			raw, err := stream.GetMsg(ctx, sequence, jetstream.WithGetMsgSubject(c.Config.FilterSubject))
			if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && raw.Sequence > bound {
				break
			}
			if err != nil {
				return moved, fmt.Errorf("sweep %s: %w", bus.StreamExecutions, err)
			}
			sequence = raw.Sequence + 1
			s.suspects[raw.Sequence] = true
			if !before[raw.Sequence] || time.Since(raw.Time) < s.grace || raw.Sequence > given && !missing {
				continue
			}
			m := stray{stored{raw: raw}, stream}
			if busy, err := s.busy(ctx, m); err != nil {
				return moved, err
			} else if busy {
				continue
			}
			if err := s.mover.tryMove(ctx, m); err != nil {
				return moved, err
			}
			moved = append(moved, raw.Subject)
		}
	}
	return moved, nil
}

func (s *Sweeper) consumers(ctx context.Context, stream jetstream.Stream) (infos []*jetstream.ConsumerInfo, err error) {
	for _, name := range []string{bus.ConsumerFleet, bus.ConsumerLocal} {
		consumer, err := stream.Consumer(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("consumer %s: %w", name, err)
		}
		infos = append(infos, consumer.CachedInfo())
	}
	return infos, nil
}

// busy reports whether somebody is at the execution of m.
func (s *Sweeper) busy(ctx context.Context, m stray) (bool, error) {
	work, err := read(m)
	if err != nil {
		return false, nil //nolint:nilerr // it will be refused
	}
	return s.held(ctx, work.request.Key())
}

// stray is a stored message as if it had been delivered. Instead of being
// acknowledged it is removed.
type stray struct {
	stored
	stream jetstream.Stream
}

func (m stray) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Stream: m.stream.CachedInfo().Config.Name, Timestamp: m.raw.Time,
		Sequence: jetstream.SequencePair{Stream: m.raw.Sequence}}, nil
}

func (m stray) remove(ctx context.Context) error {
	err := m.stream.DeleteMsg(ctx, m.raw.Sequence)
	if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		if _, gone := m.stream.GetMsg(ctx, m.raw.Sequence); errors.Is(gone, jetstream.ErrMsgNotFound) {
			return nil // somebody else was faster
		}
	}
	return err
}
