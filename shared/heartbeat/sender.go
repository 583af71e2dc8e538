package heartbeat

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/bus"
)

const (
	// Every is the time between two beats, a fifth more or less.
	Every = time.Second
	// hurry is the shortest time between two beats.
	hurry = 20 * time.Millisecond
	// kept is how long a beat outlives its member, for people who look.
	kept = time.Minute
)

// Sender writes the beats of one member.
type Sender struct {
	js jetstream.JetStream
	kv jetstream.KeyValue
}

// NewSender returns a Sender into kv.
func NewSender(js jetstream.JetStream, kv jetstream.KeyValue) *Sender { return &Sender{js: js, kv: kv} }

// Run writes what beat returns each second, and at once when changed receives, until
// ctx ends; then it deletes the key. It waits for no answer: a beat that gets lost is
// followed by another.
func (s *Sender) Run(ctx context.Context, beat func() Beat, changed <-chan struct{}) error {
	b := beat()
	h := fnv.New64a()
	_, _ = h.Write([]byte(b.Key()))
	chance := rand.New(rand.NewPCG(h.Sum64(), 0)) //nolint:gosec // keeps members apart, the same in every run
	for {
		s.send(ctx, b)
		sent := time.Now()
		select {
		case <-ctx.Done():
			s.stop(ctx, b)
			return nil
		case <-changed:
			if wait := hurry - time.Since(sent); wait > 0 {
				time.Sleep(wait)
			}
		case <-time.After(Every*4/5 + time.Duration(chance.Int64N(int64(Every*2/5)))):
		}
		b = beat()
	}
}

func (s *Sender) send(ctx context.Context, b Beat) {
	data, err := json.Marshal(b)
	if err == nil {
		_, err = s.js.PublishMsgAsync(s.message(b, data), jetstream.WithMsgTTL(kept))
	}
	if err != nil {
		zerolog.Ctx(ctx).Debug().Err(err).Msg("heartbeat not sent")
	}
}

// stop deletes the key, with a marker that says that it was the member itself, and
// that goes away too.
func (s *Sender) stop(ctx context.Context, b Beat) {
	msg := s.message(b, nil)
	msg.Header.Set("KV-Operation", "DEL") // the client's Delete can't give the marker a time to live
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if _, err := s.js.PublishMsg(ctx, msg, jetstream.WithMsgTTL(kept)); err != nil {
		zerolog.Ctx(ctx).Debug().Err(err).Msg("heartbeat left to expire")
	}
}

func (s *Sender) message(b Beat, data []byte) *nats.Msg {
	msg := nats.NewMsg(bus.SubjectKey(s.kv.Bucket(), b.Key()))
	msg.Data = data
	return msg
}
