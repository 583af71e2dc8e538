package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
)

// collector reads everything that is known, once.
type collector struct {
	js       jetstream.JetStream
	outcomes *outcome.Store
	opts     Options
	facts    *sorter

	horizon     time.Time // what ended earlier need not have an event or a dead letter
	eventsSince time.Time
	letters     time.Time // what ended earlier need not have a dead letter
	refused     int
	hashed      int64 // bytes of results
	large       int   // large results among them
	sized       int   // large results of which only the size was compared
	read        int
}

// collect reads in the order in which a fleet at work writes, later things last:
// whoever had ended and no longer waited had told and recorded it by then.
func (c *collector) collect(ctx context.Context) error {
	if c.opts.Accepted != nil {
		for k := range c.opts.Accepted {
			if err := c.add(about(k, isAccepted)); err != nil {
				return err
			}
		}
	}
	for _, part := range []struct {
		name string
		read func(context.Context) error
	}{
		{"outcomes", c.readOutcomes}, {"requests", c.readRequests}, {"the queue", c.readWaiting},
		{"records", c.readRecords}, {"events", c.readEvents}, {"dead letters", c.readLetters},
	} {
		c.read = 0
		if err := part.read(ctx); err != nil {
			return fmt.Errorf("read %s: %w", part.name, err)
		}
		c.progress(part.name)
	}
	return nil
}

func (c *collector) progress(what string) {
	if c.opts.Progress != nil {
		c.opts.Progress(what, c.read)
	}
}

// count tells of progress now and then.
func (c *collector) count(what string) {
	if c.read++; c.read%1000 == 0 {
		c.progress(what)
	}
}

func (c *collector) add(f fact) error {
	if c.opts.Mailbox != "" && f.Mailbox != c.opts.Mailbox {
		return nil
	}
	return c.facts.add(f)
}

// sinceMargin is how much later than an end its object may have been stored.
const sinceMargin = time.Hour

func (c *collector) readOutcomes(ctx context.Context) error {
	since := c.opts.Since
	if !since.IsZero() {
		since = since.Add(-sinceMargin)
	}
	mine := func(k execution.Key) bool { return c.opts.Mailbox == "" || c.opts.Mailbox == k.Mailbox }
	for o, err := range c.outcomes.Check(ctx, since, func(k execution.Key) bool { return c.opts.Bytes && mine(k) }) {
		if err != nil {
			return err
		}
		c.count("outcomes")
		f := outcomeFact(o.Outcome)
		f.Damage, f.Gone = o.Damage, o.Gone
		if err := c.add(f); err != nil {
			return err
		}
		if mine(o.Key) {
			c.hashed, c.large, c.sized = c.hashed+o.Hashed, c.large+o.Read, c.sized+o.Sized
		}
	}
	return nil
}

func outcomeFact(o execution.Outcome) fact {
	f := about(o.Key, isOutcome)
	f.State, f.Attempt, f.Executor = o.Kind.Terminal(), o.Attempt, o.Executor
	f.Erased = o.Erased != nil
	f.At, f.Started, f.Enqueued = nanos(o.Finished), nanos(o.Started), nanos(o.Enqueued)
	return f
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func (c *collector) readRequests(ctx context.Context) error {
	if c.opts.Objects == nil {
		return nil
	}
	prefix := intake.Root
	if c.opts.Mailbox != "" {
		prefix += c.opts.Mailbox + "/"
	}
	for info, err := range c.opts.Objects.List(ctx, prefix) {
		if err != nil {
			return err
		}
		c.count("requests")
		mailbox, id, isIt, ok := intake.Parse(info.Key)
		if !ok || !isIt || info.Modified.Before(c.opts.Since) {
			continue
		}
		f := about(execution.Key{Mailbox: mailbox, ID: id, Generation: 1}, isRequest)
		f.At = nanos(info.Modified)
		if err := c.add(f); err != nil {
			return err
		}
	}
	return nil
}

// readWaiting reads what has not been acknowledged, the queue once more at the
// end: work moves from there to LATER and back.
func (c *collector) readWaiting(ctx context.Context) error {
	for _, stream := range []string{bus.StreamExecutions, bus.StreamLater, bus.StreamExecutions} {
		err := bus.Scan(ctx, c.js, stream, bus.Scope{}, func(msg *jetstream.RawStreamMsg) error {
			c.count("the queue")
			return c.waits(stream, msg)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) waits(stream string, msg *jetstream.RawStreamMsg) error {
	mailbox, id, err := bus.ParseWork(msg.Subject)
	if err != nil {
		return nil //nolint:nilerr // it will be refused
	}
	r, err := execution.Decode(msg.Data, execution.Origin{Mailbox: mailbox, ID: id, Stream: stream, Sequence: msg.Sequence, Time: msg.Time})
	if err != nil && !errors.Is(err, execution.ErrNewer) { // that is left to others, and waits
		return nil //nolint:nilerr // it will be refused
	}
	return c.add(about(r.Key(), isWaiting))
}

func (c *collector) readRecords(ctx context.Context) error {
	kv, err := c.js.KeyValue(ctx, bus.BucketState)
	if err != nil {
		return err
	}
	for r, err := range state.New(c.js, kv, 0).All(ctx) {
		if err != nil {
			return err
		}
		c.count("records")
		if r.Updated.Before(c.opts.Since) {
			continue
		}
		f := about(r.Key, isRecord)
		f.State, f.Attempt, f.Executor, f.At = r.State, r.Attempt, r.Executor, nanos(r.Updated)
		if err := c.add(f); err != nil {
			return err
		}
	}
	return nil
}

func (c *collector) readEvents(ctx context.Context) error {
	stream, err := c.js.Stream(ctx, bus.StreamEvents)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	c.horizon = info.Created
	switch at := info.State; {
	case at.Msgs > 0 && at.FirstSeq > 1:
		c.eventsSince = at.FirstTime
	case at.Msgs == 0 && at.LastSeq > 0:
		c.eventsSince = at.LastTime
	}
	if c.eventsSince.After(c.horizon) {
		c.horizon = c.eventsSince
	}
	only := bus.Scope{Since: c.opts.Since}
	if c.opts.Mailbox != "" {
		only.Subject = bus.SubjectEvent(c.opts.Mailbox, ">")
	}
	return bus.Scan(ctx, c.js, bus.StreamEvents, only, func(msg *jetstream.RawStreamMsg) error {
		c.count("events")
		var e execution.Event
		if err := json.Unmarshal(msg.Data, &e); err != nil || e.Data.Key.Validate() != nil {
			return nil //nolint:nilerr // not the fleet's: anyone with the right may publish there
		}
		f := about(e.Data.Key, isEvent)
		f.Kind = e.Type[strings.LastIndexByte(e.Type, '.')+1:]
		f.Sequence, f.State, f.Attempt, f.Token, f.At = msg.Sequence, e.Data.State, e.Data.Attempt, e.Data.Token, nanos(msg.Time)
		if e.Data.Usage != nil {
			f.Cost = e.Data.Usage.CostUSD
		}
		return c.add(f)
	})
}

func (c *collector) readLetters(ctx context.Context) error {
	stream, err := c.js.Stream(ctx, bus.StreamDead)
	if err != nil {
		return err
	}
	if age := stream.CachedInfo().Config.MaxAge; age > 0 {
		c.letters = time.Now().Add(-age)
	}
	return bus.Scan(ctx, c.js, bus.StreamDead, bus.Scope{}, func(msg *jetstream.RawStreamMsg) error {
		c.count("dead letters")
		mailbox, id, generation, err := bus.ParseDead(msg.Subject)
		k := execution.Key{Mailbox: mailbox, ID: id, Generation: generation}
		if err != nil || k.Validate() != nil {
			c.refused++ // it names no execution
			return nil  //nolint:nilerr // and is none
		}
		f := about(k, isLetter)
		f.At = nanos(msg.Time)
		return c.add(f)
	})
}
