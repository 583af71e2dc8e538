package ledger

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// reader takes events over into one set of tables, some at a time.
type reader struct {
	projector *Projector
	set       tables
	at        position // of what is written
	end       uint64   // of the stream, when the reader began

	news    []told
	bytes   int
	last    uint64 // sequence of the last message that was read
	skipped int64  // since the last flush
}

// read reads what is behind the position.
func (r *reader) read(ctx context.Context) error {
	r.last = r.at.Sequence
	return bus.Scan(ctx, r.projector.js, bus.StreamEvents, bus.Scope{From: r.at.Sequence + 1}, func(msg *jetstream.RawStreamMsg) error {
		r.see(ctx, msg)
		if len(r.news) < batchEvents && r.bytes < batchBytes {
			return nil
		}
		return r.flush(ctx)
	})
}

// see decodes a message. What is no event of the fleet's is passed over, and said.
func (r *reader) see(ctx context.Context, msg *jetstream.RawStreamMsg) {
	r.last = msg.Sequence
	mailbox, ok := bus.EventMailbox(msg.Subject)
	t, err := decode(msg.Data, mailbox, msg.Sequence)
	if err == nil && ok {
		r.news = append(r.news, t)
		r.bytes += len(msg.Data)
		return
	}
	r.skipped++
	r.projector.skipped.Add(1)
	if r.skipped == 1 { // of a batch: they may come in floods
		zerolog.Ctx(ctx).Warn().Err(err).Str("code", string(fault.CodeOf(err))).Str("subject", msg.Subject).Uint64("sequence", msg.Sequence).
			Msg("ledger: a message among the events is passed over")
	}
}

// flush writes what was read, and how far, unless somebody else has.
func (r *reader) flush(ctx context.Context) error {
	if r.last == r.at.Sequence {
		return nil
	}
	p := r.projector
	err := p.ledger.write(ctx, r.set, func(w writer) error {
		now, err := w.position(ctx)
		if err != nil {
			return err
		}
		if !now.Created.Equal(r.at.Created) {
			return nil // the stream was made anew: another reader goes on from there
		}
		if now.Sequence >= r.last {
			r.at = now
			return nil
		}
		if err := w.apply(ctx, r.news); err != nil {
			return err
		}
		r.at = position{now.Created, r.last, now.Skipped + r.skipped}
		return w.move(ctx, r.at)
	})
	if err == nil {
		r.news, r.bytes, r.skipped = nil, 0, 0
	}
	return err
}

// behind counts the events that are not written.
func (r *reader) behind() uint64 {
	if r.at.Sequence >= r.end {
		return 0
	}
	return r.end - r.at.Sequence
}
