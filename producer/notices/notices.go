// Package notices says things outside the fleet once, and remembers what was said.
//
// Who is about to say something claims a record, and notes in it what came of that. If
// the process dies between saying and noting, it is said again by whoever takes the claim
// over, under the same ID, so that who hears it twice can know.
package notices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Kinds of notices.
const (
	KindAnswer = "answer" // to a sender
	KindAlarm  = "alarm"  // to operators
)

// Watcher is told what becomes of tries.
type Watcher interface {
	// NoticeTried: a try of a kind of notice through a kind of channel ended in sent,
	// failed or given_up.
	NoticeTried(kind, channel, end string)
}

type noWatcher struct{}

func (noWatcher) NoticeTried(string, string, string) {}

// Book keeps the records. It is safe for concurrent use.
type Book struct {
	js  jetstream.JetStream
	kv  jetstream.KeyValue
	try time.Duration
	Watcher
}

// Open returns a Book in which one try may take as long as try says: then who is at it
// is taken for dead. watcher may be nil.
func Open(ctx context.Context, js jetstream.JetStream, try time.Duration, watcher Watcher) (*Book, error) {
	kv, err := js.KeyValue(ctx, bus.BucketNotices)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", bus.BucketNotices, err)
	}
	if watcher == nil {
		watcher = noWatcher{}
	}
	return &Book{js: js, kv: kv, try: try, Watcher: watcher}, nil
}

// Notice is one thing to say to one recipient.
type Notice struct {
	Key      string // of its record
	ID       string // of the message
	Kind     string // KindAnswer or KindAlarm
	Channel  string // webhook, email or sns
	About    string // for people
	Since    time.Time
	Patience time.Duration // after Since; then it is given up
	Send     func(context.Context) error
}

// Say sends n unless that was done. It returns how long to wait before it is asked again,
// 0 when nothing is left to do, and what went wrong if something did.
func (b *Book) Say(ctx context.Context, n Notice) (wait time.Duration, err error) {
	const soon = time.Second // somebody else is at it
	c, err := b.load(ctx, n.Key)
	if err != nil {
		return pause(1), err
	}
	switch r := c.record; {
	case r.Standing == Sent || r.Standing == GivenUp:
		return 0, nil
	case r.Standing == Sending && time.Since(r.At) < b.try:
		return soon, nil
	case r.Standing == Waiting && time.Now().Before(r.Again):
		return time.Until(r.Again), nil
	}
	c.record.Kind, c.record.Channel, c.record.About, c.record.Message = n.Kind, n.Channel, n.About, n.ID
	c.record.Tries++
	switch err := c.put(ctx, Sending, 0, nil); {
	case errors.Is(err, errBusy):
		return soon, nil
	case err != nil:
		return pause(c.record.Tries), err
	}
	failpoint.Hit(failpoint.NoticeClaimed)
	sending, cancel := context.WithTimeout(ctx, b.try*5/6)
	err = n.Send(sending)
	cancel()
	failpoint.Hit(failpoint.NoticeSent)
	return b.note(ctx, c, n, err)
}

// note writes down what came of a try.
func (b *Book) note(ctx context.Context, c *claim, n Notice, failed error) (time.Duration, error) {
	standing, end, wait := Sent, "sent", time.Duration(0)
	switch {
	case failed == nil:
	case fault.IsPermanent(failed) || time.Since(n.Since) > n.Patience:
		standing, end = GivenUp, "given_up"
	default:
		standing, end, wait = Waiting, "failed", pause(c.record.Tries)
	}
	b.NoticeTried(n.Kind, n.Channel, end)
	// What was sent has to be noted although the time for sending is over.
	noting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := c.put(noting, standing, wait, failed); err != nil && !errors.Is(err, errBusy) {
		return b.try, errors.Join(failed, err)
	}
	failpoint.Hit(failpoint.NoticeNoted)
	log := zerolog.Ctx(ctx).With().Str("kind", n.Kind).Str("about", n.About).Str("channel", n.Channel).Str("message", n.ID).
		Int("tries", c.record.Tries).Logger()
	code := string(fault.CodeOf(failed))
	switch standing {
	case Sent:
		log.Info().Msg("told")
	case Waiting:
		log.Warn().Err(failed).Str("code", code).Dur("again_in", wait).Msg("not told yet")
	case GivenUp:
		log.Error().Err(failed).Str("code", code).Msg("a notice is given up")
	}
	return wait, nil
}

// Tried reports whether there is a record of key.
func (b *Book) Tried(ctx context.Context, key string) (bool, error) {
	c, err := b.load(ctx, key)
	return err == nil && c.revision > 0, err
}

// pause doubles from two seconds to a quarter of an hour with each try, a fifth more or less.
func pause(tries int) time.Duration {
	const first, most = 2 * time.Second, 15 * time.Minute
	wait := min(most, first<<min(max(tries, 1)-1, 10))
	return wait*4/5 + time.Duration(rand.Int64N(int64(wait*2/5))) //nolint:gosec // only to keep tries apart
}

// Known is a record and where it stands.
type Known struct {
	Key string `json:"key"`
	Record
}

// List calls see with every record that is kept.
func List(ctx context.Context, kv jetstream.KeyValue, see func(Known) error) error {
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return fmt.Errorf("read notices: %w", err)
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, ok := <-w.Updates():
			if !ok {
				return fmt.Errorf("read notices: %w", context.Canceled)
			}
			if entry == nil { // that was all
				return nil
			}
			k := Known{Key: entry.Key()}
			if json.Unmarshal(entry.Value(), &k.Record) != nil || k.Standing == "" {
				continue // not a record of ours
			}
			if err := see(k); err != nil {
				return err
			}
		}
	}
}
