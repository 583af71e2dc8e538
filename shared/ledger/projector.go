package ledger

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// Projector writes what the fleet tells into a ledger. Several may write to the same,
// which saves nothing and does no harm.
type Projector struct {
	ledger *Ledger
	js     jetstream.JetStream

	last, behind, skipped atomic.Uint64
	current               atomic.Int64 // Unix microseconds: all that was told by then is in the ledger
}

// NewProjector returns a Projector of the events on js into l.
func NewProjector(l *Ledger, js jetstream.JetStream) *Projector { return &Projector{ledger: l, js: js} }

// Progress is how far a projector is.
type Progress struct {
	Sequence uint64 // of the last event in the ledger
	Behind   uint64 // events that are not in the ledger yet
	Skipped  uint64 // messages that were no events of the fleet's, since it started
	// Current is when the ledger had all that had been told; zero until it first had.
	Current time.Time
}

// Progress returns how far p is, for a gauge of its lag.
func (p *Projector) Progress() Progress {
	return Progress{p.last.Load(), p.behind.Load(), p.skipped.Load(), moment(p.current.Load())}
}

const (
	idle     = 500 * time.Millisecond // between two looks at the events
	glance   = 2 * time.Second        // between two looks at the queue
	patience = 30 * time.Second       // at most, between two tries when something fails

	batchEvents = 500
	batchBytes  = 4 << 20
)

// Run projects until ctx ends. What fails is logged and tried again.
func (p *Projector) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return again(ctx, "events", idle, p.events) })
	var from uint64
	group.Go(func() error {
		return again(ctx, "the queue", glance, func(ctx context.Context) (err error) {
			from, err = p.waiting(ctx, from)
			return err
		})
	})
	return group.Wait()
}

// again repeats step until ctx ends.
func again(ctx context.Context, what string, pause time.Duration, step func(context.Context) error) error {
	for wait := pause; ; {
		err := step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			wait = min(2*wait, patience)
			zerolog.Ctx(ctx).Error().Err(err).Str("code", string(fault.CodeOf(err))).Dur("again_in", wait).
				Msg("ledger: reading " + what + " failed")
		default:
			wait = pause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// events takes over all events that were told since the last that the ledger has.
func (p *Projector) events(ctx context.Context) error {
	r, err := p.resume(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	err = r.read(ctx)
	if flushed := r.flush(ctx); err == nil {
		err = flushed
	}
	p.last.Store(r.at.Sequence)
	p.behind.Store(r.behind())
	if err == nil {
		p.current.Store(began.UnixMicro())
	}
	return err
}

// resume finds out from where to read. A stream that was made anew, or is shorter
// than it was because it was restored, is read from its beginning: what the ledger has
// already does no harm.
func (p *Projector) resume(ctx context.Context) (*reader, error) {
	stream, err := p.js.Stream(ctx, bus.StreamEvents)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", bus.StreamEvents, err)
	}
	info := stream.CachedInfo()
	created := info.Created.UTC().Truncate(time.Microsecond)
	r := &reader{projector: p, set: standing, end: info.State.LastSeq}
	goesOn := func() bool { return r.at.Created.Equal(created) && r.at.Sequence <= info.State.LastSeq }
	if r.at, err = p.ledger.position(ctx); err != nil || goesOn() {
		return r, err
	}
	err = p.ledger.write(ctx, standing, func(w writer) error {
		if r.at, err = w.position(ctx); err != nil || goesOn() {
			return err
		}
		r.at.Created, r.at.Sequence = created, 0
		return w.move(ctx, r.at)
	})
	return r, err
}

// waiting notes the executions whose messages are on the queue, from a sequence on.
// It returns where to go on.
func (p *Projector) waiting(ctx context.Context, from uint64) (uint64, error) {
	stream, err := p.js.Stream(ctx, bus.StreamExecutions)
	if err != nil {
		return from, fmt.Errorf("stream %s: %w", bus.StreamExecutions, err)
	}
	if from > stream.CachedInfo().State.LastSeq+1 { // made anew
		from = 0
	}
	var news []told
	flush := func() error {
		if len(news) == 0 {
			return nil
		}
		defer func() { news = nil }()
		return p.ledger.write(ctx, standing, func(w writer) error {
			if _, err := w.position(ctx); err != nil {
				return err
			}
			return w.apply(ctx, news)
		})
	}
	last, err := queue.Waiting(ctx, p.js, from, func(a execution.Attempt) error {
		news = append(news, seen(a))
		if len(news) < batchEvents {
			return nil
		}
		return flush()
	})
	if err != nil {
		return from, err
	}
	return max(from, last+1), flush()
}

// seen is the event that tells of a request on the queue.
func seen(a execution.Attempt) told {
	data := execution.EventData{Key: a.Request.Key(), State: execution.Accepted, Enqueued: a.Enqueued, Asked: a.Request.Asked()}
	return toldOf(execution.NewEvent(execution.EventAccepted, "", a.Enqueued, data), execution.EventAccepted, 0)
}
