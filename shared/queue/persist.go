package queue

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How long a request is published again while nobody answers, and how long an
// answer is waited for, 5 s in all: a leader that steps down, or a server that
// restarts, takes what was sent to it along, and another answers within a second or
// two.
const (
	persistence = 4 * time.Second
	answerWait  = time.Second
	persistWait = 50 * time.Millisecond
)

// persist publishes msg until somebody answers. Repeated is whether it was sent more
// than once, so that a duplicate may be its own.
func persist(ctx context.Context, js jetstream.JetStream, msg *nats.Msg, opts ...jetstream.PublishOpt) (ack *jetstream.PubAck, repeated bool, err error) {
	opts = append(opts, jetstream.WithRetryAttempts(0)) // we do that
	for deadline := time.Now().Add(persistence); ; repeated = true {
		try, cancel := context.WithTimeout(ctx, answerWait)
		ack, err = js.PublishMsg(try, msg, opts...)
		cancel()
		if !unanswered(err) || ctx.Err() != nil || time.Until(deadline) < persistWait {
			return ack, repeated, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(persistWait):
		}
	}
}

// unanswered reports whether err says that nobody was there to accept the message.
func unanswered(err error) bool {
	for _, nobody := range []error{context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse,
		nats.ErrDisconnected, nats.ErrReconnectBufExceeded} {
		if errors.Is(err, nobody) {
			return true
		}
	}
	return false
}
