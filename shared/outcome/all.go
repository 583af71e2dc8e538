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
	return func(yield func(execution.Outcome, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		started := s.readAll(ctx, since)
		defer func() {
			stop()
			for reading := range started {
				<-reading
			}
		}()
		for reading := range started {
			read := <-reading
			if !yield(read.outcome, read.err) {
				return
			}
		}
	}
}

type result struct {
	outcome execution.Outcome
	err     error
}

// readAll starts reading each outcome, some ahead of who takes the results.
func (s *Store) readAll(ctx context.Context, since time.Time) <-chan chan result {
	started := make(chan chan result, readAhead)
	start := func(read func() (execution.Outcome, error)) bool {
		done := make(chan result, 1)
		select {
		case started <- done:
		case <-ctx.Done():
			return false
		}
		go func() {
			o, err := read()
			done <- result{o, err}
		}()
		return true
	}
	go func() {
		defer close(started)
		for info, err := range s.objects.List(ctx, Root) {
			if err == nil && info.Modified.Before(since) {
				continue
			}
			ok := start(func() (execution.Outcome, error) {
				if err != nil {
					return execution.Outcome{}, err
				}
				k, err := execution.ParsePath(path.Base(info.Key))
				if err != nil {
					return execution.Outcome{}, fmt.Errorf("%s: %w", info.Key, err)
				}
				return s.read(ctx, k)
			})
			if !ok {
				return
			}
		}
	}()
	return started
}
