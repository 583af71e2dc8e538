package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// Scope is a part of a stream; the zero Scope is all of it.
type Scope struct {
	Subject string
	Since   time.Time
	From    uint64 // the first sequence; it goes before Since
}

// Scan calls see with each message of a stream, up to its end as of now. It takes
// nothing from a work queue, and needs no right but to read.
func Scan(ctx context.Context, js jetstream.JetStream, stream string, only Scope, see func(*jetstream.RawStreamMsg) error) error {
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	at := s.CachedInfo().State
	if at.Msgs == 0 || only.From > at.LastSeq {
		return nil
	}
	const (
		batch    = 1000
		maxBytes = 8 << 20
		patience = 30 * time.Second // for one batch
	)
	next := func(from uint64) (last uint64, err error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		opts := []jetstreamext.GetBatchOpt{jetstreamext.GetBatchMaxBytes(maxBytes)}
		if only.Subject != "" {
			opts = append(opts, jetstreamext.GetBatchSubject(only.Subject))
		}
		if from == 0 && !only.Since.IsZero() {
			opts = append(opts, jetstreamext.GetBatchStartTime(only.Since))
		} else {
			opts = append(opts, jetstreamext.GetBatchSeq(max(from, at.FirstSeq, 1)))
		}
		messages, err := jetstreamext.GetBatch(ctx, js, stream, batch, opts...)
		if err != nil {
			return 0, err
		}
		for msg, err := range messages {
			if err != nil {
				return last, err
			}
			if last = msg.Sequence; last > at.LastSeq {
				return last, nil
			}
			if err := see(msg); err != nil {
				return last, err
			}
		}
		if last == 0 {
			return 0, errors.New("the server sent nothing")
		}
		return last, nil
	}
	for from := only.From; from <= at.LastSeq; {
		last, err := next(from)
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("stream %s from %d: %w", stream, from, err)
		}
		from = last + 1
	}
	return nil
}
