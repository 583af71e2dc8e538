package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// newerPatience is how long a message waits for a program that knows its version. No
// upgrade takes longer; what claims a version that there will never be is refused then.
const newerPatience = 7 * 24 * time.Hour

// leave has m, which is for newer programs, come again: soon at first, since some may be
// there already, then less often. It takes up no slot meanwhile, and no attempt is charged.
func (c *Consumer) leave(ctx context.Context, m message) error {
	const soon, late, part = 500 * time.Millisecond, time.Minute, 4
	after := min(max(time.Since(m.enqueued())/part, soon), late)
	return c.schedule(ctx, m, bus.SubjectLeft(m.mailbox, m.request.ID, m.meta.Sequence.Stream), after)
}

// Left reports whether a message of k was left to newer programs, and waits for them.
func Left(ctx context.Context, js jetstream.JetStream, k execution.Key) (bool, error) {
	stream, err := js.Stream(ctx, bus.StreamLater)
	if err != nil {
		return false, fmt.Errorf("stream %s: %w", bus.StreamLater, err)
	}
	_, err = stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(bus.SubjectsLeft(k.Mailbox, k.ID)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for what is left of %s: %w", k, err)
	}
	return true, nil
}
