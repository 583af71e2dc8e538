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

// Found is a message of an execution that nobody has acknowledged yet.
type Found struct {
	Subject string
	Request execution.Request
	Stored  time.Time
}

// Find looks for a message of k: waiting, in flight, or a retry that waits for its
// time. A request that was published without an id has no subject of its own and
// is not found.
//
// A message moves while it is looked for, from LATER to the queue and back; it is
// looked for in the order in which it moves, and once around.
func Find(ctx context.Context, js jetstream.JetStream, k execution.Key) (Found, bool, error) {
	queue, err := js.Stream(ctx, bus.StreamExecutions)
	if err != nil {
		return Found{}, false, fmt.Errorf("stream %s: %w", bus.StreamExecutions, err)
	}
	later, err := js.Stream(ctx, bus.StreamLater)
	if err != nil {
		return Found{}, false, fmt.Errorf("stream %s: %w", bus.StreamLater, err)
	}
	exec, local := bus.SubjectExec(k.Mailbox, k.ID), bus.SubjectLocal(k.Mailbox, k.ID)
	for _, place := range []struct {
		stream  jetstream.Stream
		subject string
	}{
		{queue, exec}, {queue, local},
		{later, bus.SubjectLater(k)}, {later, bus.SubjectDue(k.Mailbox, k.ID)},
		{queue, exec}, {queue, local},
	} {
		found, ok, err := last(ctx, place.stream, place.subject, k)
		if err != nil || ok {
			return found, ok, err
		}
	}
	return Found{}, false, nil
}

// Unnamed reports whether a message waits that was published to the mailbox
// without an id in its subject, so that it may be anyone's.
func Unnamed(ctx context.Context, js jetstream.JetStream, mailbox string) (bool, error) {
	stream, err := js.Stream(ctx, bus.StreamExecutions)
	if err != nil {
		return false, fmt.Errorf("stream %s: %w", bus.StreamExecutions, err)
	}
	_, err = stream.GetLastMsgForSubject(ctx, bus.SubjectMailbox(mailbox))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for messages to mailbox %s: %w", mailbox, err)
	}
	return true, nil
}

// last returns the last message on subject if it is one of k: another
// generation's, or one that will be refused, is not.
func last(ctx context.Context, stream jetstream.Stream, subject string, k execution.Key) (Found, bool, error) {
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Found{}, false, nil
	}
	if err != nil {
		return Found{}, false, fmt.Errorf("look for %s: %w", subject, err)
	}
	r, err := execution.Decode(msg.Data, execution.Origin{Mailbox: k.Mailbox, ID: k.ID,
		Stream: stream.CachedInfo().Config.Name, Sequence: msg.Sequence, Time: msg.Time})
	if err != nil && !errors.Is(err, execution.ErrNewer) || r.Key() != k {
		return Found{}, false, nil //nolint:nilerr // it will be refused
	}
	return Found{Subject: subject, Request: r, Stored: msg.Time}, true, nil
}
