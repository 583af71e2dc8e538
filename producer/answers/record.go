package answers

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

// Standings of an answer.
const (
	Sending = "sending" // somebody is at it, or died at it
	Waiting = "waiting" // it failed, and is tried again
	Sent    = "sent"
	GivenUp = "given up"
)

// Record is what is known of one answer through one channel.
type Record struct {
	Standing string       `json:"standing"`
	At       time.Time    `json:"at"`
	Tries    int          `json:"tries"`
	Message  string       `json:"message_id"`
	Fault    *fault.Error `json:"fault,omitempty"` // of the last try
}

// claimFor is how long whoever is sending keeps others away. It is longer than any
// channel takes.
const claimFor = time.Minute

// recordFor is how long a record is kept, and tooOld how long after its end an execution
// that is told of again may still be answered: as long as the record would be there.
const (
	recordFor = 30 * 24 * time.Hour
	tooOld    = recordFor - 48*time.Hour
)

// errBusy says that somebody else is sending.
var errBusy = errors.New("somebody else is sending it")

// claim is the right to send one answer.
type claim struct {
	js       jetstream.JetStream
	key      string
	revision uint64
	record   Record
}

func recordKey(k execution.Key, channel string) string { return "answer." + k.Path() + "." + channel }

// take claims an answer. done says that it needs nothing more.
func (a *Answerer) take(ctx context.Context, key, message string) (c *claim, done bool, err error) {
	c = &claim{js: a.js, key: key, record: Record{Message: message}}
	entry, err := a.notices.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
	case err != nil:
		return nil, false, fmt.Errorf("record of %s: %w", key, err)
	default:
		c.revision = entry.Revision()
		if err := json.Unmarshal(entry.Value(), &c.record); err != nil {
			return nil, false, fmt.Errorf("record of %s: %w", key, err)
		}
	}
	switch c.record.Standing {
	case Sent, GivenUp:
		return nil, true, nil
	case Sending:
		if time.Since(c.record.At) < claimFor {
			return nil, false, errBusy
		}
	}
	c.record.Tries++
	return c, false, c.put(ctx, Sending, nil)
}

// put changes the record, unless somebody else did.
func (c *claim) put(ctx context.Context, standing string, why error) error {
	c.record.Standing, c.record.At, c.record.Fault = standing, time.Now().UTC(), fault.Describe(why)
	data, err := json.Marshal(c.record)
	if err != nil {
		return err
	}
	// Revision 0 says that there is none. The client's Update knows no time to live.
	ack, err := c.js.Publish(ctx, bus.SubjectKey(bus.BucketNotices, c.key), data,
		jetstream.WithExpectLastSequencePerSubject(c.revision), jetstream.WithMsgTTL(recordFor))
	if conflict.Is(err) {
		return errBusy
	}
	if err != nil {
		return fmt.Errorf("record of %s: %w", c.key, err)
	}
	c.revision = ack.Sequence
	return nil
}
