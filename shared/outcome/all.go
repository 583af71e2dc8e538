package outcome

import (
	"context"
	"fmt"
	"iter"
	"path"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// All yields every outcome there is, in the order of storage keys.
func (s *Store) All(ctx context.Context) iter.Seq2[execution.Outcome, error] {
	return s.AllSince(ctx, time.Time{})
}

// readAhead is how many outcomes are read at once: one after the other, an S3
// server answers a few dozen in a second.
const readAhead = 16

// AllSince is [Store.All] without those that were stored before since.
func (s *Store) AllSince(ctx context.Context, since time.Time) iter.Seq2[execution.Outcome, error] {
	return ahead(ctx, s, since, s.read)
}

// ahead yields what read makes of each outcome, some ahead of who takes the results.
func ahead[T any](ctx context.Context, s *Store, since time.Time, read func(context.Context, execution.Key) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		started := readAll(ctx, s, since, read)
		defer func() {
			stop()
			for reading := range started {
				<-reading
			}
		}()
		for reading := range started {
			read := <-reading
			if !yield(read.value, read.err) {
				return
			}
		}
	}
}

type result[T any] struct {
	value T
	err   error
}

// readAll starts reading each outcome.
func readAll[T any](ctx context.Context, s *Store, since time.Time, read func(context.Context, execution.Key) (T, error)) <-chan chan result[T] {
	started := make(chan chan result[T], readAhead)
	start := func(read func() (T, error)) bool {
		done := make(chan result[T], 1)
		select {
		case started <- done:
		case <-ctx.Done():
			return false
		}
		go func() {
			v, err := read()
			done <- result[T]{v, err}
		}()
		return true
	}
	go func() {
		defer close(started)
		for info, err := range s.objects.List(ctx, Root) {
			if err == nil && info.Modified.Before(since) {
				continue
			}
			ok := start(func() (none T, _ error) {
				if err != nil {
					return none, err
				}
				k, err := execution.ParsePath(path.Base(info.Key))
				if err != nil {
					return none, fmt.Errorf("%s: %w", info.Key, err)
				}
				return read(ctx, k)
			})
			if !ok {
				return
			}
		}
	}()
	return started
}
