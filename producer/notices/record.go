package notices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/conflict"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Standings of a notice.
const (
	Sending = "sending" // somebody is at it, or died at it
	Waiting = "waiting" // it failed, and is tried again
	Sent    = "sent"
	GivenUp = "given up"
)

// Version is the highest version of the record's format that this code knows.
const Version = 1

// Record is what is known of one notice to one recipient.
type Record struct {
	Version  int          `json:"version,omitempty"` // of this format; 0 means 1
	Standing string       `json:"standing"`
	Kind     string       `json:"kind"`
	About    string       `json:"about"`
	Channel  string       `json:"channel"`
	Message  string       `json:"message_id"`
	Tries    int          `json:"tries"`
	At       time.Time    `json:"at"`             // of the last change
	Again    time.Time    `json:"again,omitzero"` // not before; only of what waits
	Fault    *fault.Error `json:"fault,omitempty"`
}

// Kept is how long a record is kept: whoever could say something twice must look for
// its record before that.
const Kept = 30 * 24 * time.Hour

// errBusy says that somebody else is sending.
var errBusy = errors.New("somebody else is sending it")

// claim is the right to send one notice.
type claim struct {
	js       jetstream.JetStream
	key      string
	revision uint64
	record   Record
}

// load reads the record of key, which is empty where there is none.
func (b *Book) load(ctx context.Context, key string) (*claim, error) {
	c := &claim{js: b.js, key: key}
	entry, err := b.kv.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return c, nil
	case err != nil:
		return nil, fmt.Errorf("record of %s: %w", key, err)
	}
	c.revision = entry.Revision()
	if c.record, err = readRecord(entry.Value()); err != nil {
		return nil, fmt.Errorf("record of %s: %w", key, err)
	}
	return c, nil
}

// readRecord reads a record. One that a newer program wrote is an error: who can't say
// whether a notice was sent must not send it.
func readRecord(data []byte) (r Record, err error) {
	if err := execution.CheckFormat("a notice's record", data, Version); err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	switch r.Standing {
	case Sending, Waiting, Sent, GivenUp:
		return r, nil
	}
	return r, fault.New(execution.CodeVersion, "a notice that is %.40q: %w", r.Standing, execution.ErrNewer).Advise("upgrade this program")
}

// put changes the record, unless somebody else did.
func (c *claim) put(ctx context.Context, standing string, again time.Duration, why error) error {
	now := time.Now().UTC()
	c.record.Standing, c.record.At, c.record.Again, c.record.Fault = standing, now, time.Time{}, fault.Describe(why)
	if standing == Waiting {
		c.record.Again = now.Add(again)
	}
	var err error
	c.revision, err = Write(ctx, c.js, c.key, c.record, c.revision, Kept)
	if conflict.Is(err) {
		return errBusy
	}
	return err
}

// Write keeps v under a key of the bucket for as long as kept says, or for ever with 0, unless
// somebody has written there since revision; 0 says that there is nothing. The client's Update knows
// no time to live.
func Write(ctx context.Context, js jetstream.JetStream, key string, v any, revision uint64, kept time.Duration) (uint64, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return 0, err
	}
	opts := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(revision)}
	if kept > 0 {
		opts = append(opts, jetstream.WithMsgTTL(kept))
	}
	ack, err := js.Publish(ctx, bus.SubjectKey(bus.BucketNotices, key), data, opts...)
	if err != nil {
		return 0, fmt.Errorf("record of %s: %w", key, err)
	}
	return ack.Sequence, nil
}
