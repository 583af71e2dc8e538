package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// CodeRebuild says that a ledger could not be put in the place of the one that stands.
const CodeRebuild fault.Code = "LEDGER_REBUILD"

// fresh are the tables that a rebuild fills, without the indexes of lists.
var fresh = tables{"fresh_execution", "fresh_event", "fresh_term", "fresh_position"}

// pairs are the tables of both sets and what is unique in them.
var pairs = []struct{ standing, fresh, unique string }{
	{standing.execution, fresh.execution, "mailbox, execution_id, generation"},
	{standing.event, fresh.event, "mailbox, execution_id, generation, event_id"},
	{standing.term, fresh.term, "term, tie"},
	{standing.position, fresh.position, "stream"},
}

// RebuildOptions are how a ledger is built again.
type RebuildOptions struct {
	// Forget leaves out what only the ledger still knows: events that the stream has no
	// more, and what they alone say, such as what old executions cost.
	Forget bool
	// Progress is told how many of what were read, now and then.
	Progress func(what string, n int)
}

// Rebuilt is what a ledger was built of.
type Rebuilt struct {
	Outcomes   int           `json:"outcomes"` // in storage
	Carried    int           `json:"carried"`  // older events, from the ledger that stood
	Waiting    int           `json:"waiting"`  // requests on the queue
	Events     uint64        `json:"events"`   // how far the stream was read
	Skipped    int64         `json:"skipped"`  // messages that are no events of the fleet's
	Executions int           `json:"executions"`
	Took       time.Duration `json:"took"`
}

// Rebuild builds the ledger again, of the outcomes in storage, the events that are
// kept, and what waits. It is built beside the one that stands, which is read and
// written meanwhile, and takes its place in one transaction. Of two rebuilds at once
// the earlier fails.
func (l *Ledger) Rebuild(ctx context.Context, js jetstream.JetStream, outcomes *outcome.Store, opts RebuildOptions) (Rebuilt, error) {
	b := &rebuild{Ledger: l, js: js, outcomes: outcomes, opts: opts, began: time.Now()}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"make its tables", b.prepare}, {"carry older events over", b.carry}, {"read outcomes", b.readOutcomes},
		{"read events", b.readEvents}, {"read the queue", b.readWaiting}, {"read events", b.readEvents}, {"put it in place", b.swap},
	} {
		if err := step.do(ctx); err != nil {
			return b.done, fmt.Errorf("rebuild the ledger: %s: %w", step.name, err)
		}
	}
	b.done.Took = time.Since(b.began)
	return b.done, nil
}

type rebuild struct {
	*Ledger
	js       jetstream.JetStream
	outcomes *outcome.Store
	opts     RebuildOptions
	began    time.Time
	done     Rebuilt

	oldest time.Time // of the events that the stream has
	reader *reader
	news   []told
}

func (b *rebuild) prepare(ctx context.Context) error {
	stream, err := b.js.Stream(ctx, bus.StreamEvents)
	if err != nil {
		return fmt.Errorf("stream %s: %w", bus.StreamEvents, err)
	}
	info := stream.CachedInfo()
	b.oldest = info.State.FirstTime
	if info.State.Msgs == 0 {
		b.oldest = b.began
	}
	b.reader = &reader{projector: NewProjector(b.Ledger, b.js), set: fresh}
	return b.write(ctx, fresh, func(w writer) error {
		for _, p := range pairs {
			for _, statement := range []string{"DROP TABLE IF EXISTS " + p.fresh, "CREATE TABLE " + p.fresh + " AS SELECT * FROM " + p.standing + " WHERE 1 = 0",
				"CREATE UNIQUE INDEX " + p.fresh + "_key ON " + p.fresh + " (" + p.unique + ")"} {
				if _, err := w.tx.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
		}
		b.reader.at = position{Created: info.Created.UTC().Truncate(time.Microsecond)}
		if _, err := w.position(ctx); err != nil {
			return err
		}
		return w.move(ctx, b.reader.at)
	})
}

func (b *rebuild) progress(what string, n int) {
	if n%1000 == 0 && b.opts.Progress != nil {
		b.opts.Progress(what, n)
	}
}

// add keeps an event, some at a time.
func (b *rebuild) add(ctx context.Context, t told) error {
	if b.news = append(b.news, t); len(b.news) < batchEvents {
		return nil
	}
	return b.flush(ctx)
}

func (b *rebuild) flush(ctx context.Context) error {
	news := b.news
	b.news = nil
	if len(news) == 0 {
		return nil
	}
	return b.write(ctx, fresh, func(w writer) error { return w.apply(ctx, news) })
}

// carry takes over from the ledger that stands what the stream has no more. Events
// that it does have do no harm.
func (b *rebuild) carry(ctx context.Context) error {
	if b.opts.Forget {
		return nil
	}
	const clocks = time.Hour // of who told and of the server may differ by that much
	before := micros(b.oldest.Add(clocks))
	var last told
	for {
		some, err := query(ctx, b.db, b.rebind("SELECT "+toldColumns+` FROM event
			WHERE (mailbox, execution_id, generation, event_id) > (?, ?, ?, ?) AND (at_us < ? OR kind = ?)
			ORDER BY mailbox, execution_id, generation, event_id LIMIT ?`),
			[]any{last.Mailbox, last.Key.ID, last.Generation, last.ID, before, execution.EventAccepted, batchEvents}, scanTold)
		if err != nil || len(some) == 0 {
			return err
		}
		for _, t := range some {
			if err := b.add(ctx, t); err != nil {
				return err
			}
			b.done.Carried++
			b.progress("older events", b.done.Carried)
		}
		if err := b.flush(ctx); err != nil {
			return err
		}
		last = some[len(some)-1]
	}
}

func (b *rebuild) readOutcomes(ctx context.Context) error {
	for o, err := range b.outcomes.All(ctx) {
		if err != nil {
			return err
		}
		for _, e := range ending(o) {
			t, err := untold(e)
			if err != nil {
				return err
			}
			if err := b.add(ctx, t); err != nil {
				return err
			}
		}
		b.done.Outcomes++
		b.progress("outcomes", b.done.Outcomes)
	}
	return b.flush(ctx)
}

func (b *rebuild) readWaiting(ctx context.Context) error {
	_, err := queue.Waiting(ctx, b.js, 0, func(a execution.Attempt) error {
		b.done.Waiting++
		b.progress("requests", b.done.Waiting)
		return b.add(ctx, seen(a))
	})
	if err != nil {
		return err
	}
	return b.flush(ctx)
}

func (b *rebuild) readEvents(ctx context.Context) error {
	if err := b.reader.read(ctx); err != nil {
		return err
	}
	err := b.reader.flush(ctx)
	b.done.Events, b.done.Skipped = b.reader.at.Sequence, b.reader.at.Skipped
	return err
}

// swap puts what was built in the place of what stands. Whoever reads sees the one or
// the other. A ledger that has read further meanwhile is caught up with first, unless
// there is nothing more to read: then its projector reads the rest again.
func (b *rebuild) swap(ctx context.Context) error {
	const rounds = 50
	atEnd := false
	for range rounds {
		done := false
		err := b.write(ctx, standing, func(w writer) (err error) {
			now, err := w.position(ctx)
			if err != nil || !atEnd && now.Created.Equal(b.reader.at.Created) && now.Sequence > b.reader.at.Sequence {
				return err
			}
			done = true
			return b.replace(ctx, w)
		})
		if err != nil || done {
			return err
		}
		before := b.reader.at.Sequence
		if err := b.readEvents(ctx); err != nil {
			return err
		}
		atEnd = b.reader.at.Sequence == before
	}
	return fault.New(CodeRebuild, "events come faster than they can be read").Advise("try again when there is less to do")
}

func (b *rebuild) replace(ctx context.Context, w writer) error {
	// What was seen on the queue since we looked has perhaps left it.
	late, err := query(ctx, w.tx, b.rebind("SELECT "+toldColumns+" FROM event AS standing WHERE kind = ? AND at_us >= ? AND NOT EXISTS (SELECT 1 FROM "+fresh.event+` AS known
		WHERE known.mailbox = standing.mailbox AND known.execution_id = standing.execution_id AND known.generation = standing.generation AND known.event_id = standing.event_id)`),
		[]any{execution.EventAccepted, micros(b.began.Add(-time.Minute))}, scanTold)
	if err != nil {
		return err
	}
	if err := (writer{w.Ledger, w.tx, fresh}).apply(ctx, late); err != nil {
		return err
	}
	if err := w.tx.QueryRowContext(ctx, "SELECT count(*) FROM "+fresh.execution).Scan(&b.done.Executions); err != nil {
		return err
	}
	for _, p := range pairs {
		for _, statement := range []string{"DELETE FROM " + p.standing, "INSERT INTO " + p.standing + " SELECT * FROM " + p.fresh, "DROP TABLE " + p.fresh} {
			if _, err := w.tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	return nil
}

// ending is what would have been told of o, and of its erasure. What it cost stands in
// no outcome.
func ending(o execution.Outcome) []execution.Event {
	d := execution.EventData{Key: o.Key, State: o.Kind.Terminal(), Attempt: o.Attempt, Number: o.Number, Token: execution.AttemptToken(o.Attempt),
		Executor: o.Executor, Summary: o.Summary, CachedFrom: o.CachedFrom, InputBytes: o.InputBytes(), Asked: o.Asked(),
		Enqueued: o.Enqueued, Started: o.Started, Finished: o.Finished}
	if o.Fault != nil {
		d.Code, d.Reason = string(o.Fault.Code), o.Fault.Error()
	}
	kind := o.Kind.EventKind()
	all := []execution.Event{execution.NewEvent(kind, o.Host, o.Finished, d)}
	if o.Erased != nil {
		d = execution.EventData{Key: o.Key, State: o.Kind.Terminal(), Executor: execution.ByOperator, Reason: o.Erased.Reason}
		all = append(all, execution.NewEvent(execution.EventErased, o.Erased.By, o.Erased.At, d))
	}
	return all
}
