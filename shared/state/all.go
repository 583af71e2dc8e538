package state

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"
)

// All yields every record there is, in no order.
func (s *Store) All(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		w, err := s.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
		if err != nil {
			yield(Record{}, fmt.Errorf("read records: %w", err))
			return
		}
		defer func() { _ = w.Stop() }()
		for {
			select {
			case <-ctx.Done():
				yield(Record{}, ctx.Err())
				return
			case entry, ok := <-w.Updates():
				if !ok {
					yield(Record{}, fmt.Errorf("read records: %w", context.Canceled))
					return
				}
				if entry == nil { // that was all
					return
				}
				var r Record
				err := json.Unmarshal(entry.Value(), &r)
				if newer := check(r, entry.Value(), err); newer != nil { // who judges them all must know that there are others
					yield(Record{}, fmt.Errorf("read records: %s: %w", entry.Key(), newer))
					return
				}
				if err != nil || r.Path() != entry.Key() {
					continue // not a record of ours
				}
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}
