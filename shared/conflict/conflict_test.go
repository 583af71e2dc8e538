package conflict_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/conflict"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/state"
)

// TestEveryLoserIsTold has many change one record at once on three servers. One wins,
// and the others must be told that they came late, in whichever way the server does.
func TestEveryLoserIsTold(t *testing.T) {
	t.Parallel()
	js := bustest.Cluster(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	states := state.New(js, kv, time.Hour)
	record := state.Record{Key: execution.Key{Mailbox: "m", ID: "e", Generation: 1}, State: execution.Running}
	last, underWay := uint64(0), 0
	for deadline := time.Now().Add(30 * time.Second); underWay == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nobody met a change under way: is the server's second code gone?")
		}
		errs := make([]error, 8)
		won := make(chan uint64, len(errs))
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				next, err := states.Save(t.Context(), record, last)
				if errs[i] = err; err == nil {
					won <- next
				}
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil && !errors.Is(err, state.ErrStale) {
				t.Fatalf("a loser was told %v", err)
			}
		}
		if len(won) != 1 {
			t.Fatalf("%d won", len(won))
		}
		last = <-won
		underWay += meet(t, js, &last)
	}
}

// meet publishes twice at once to a subject of the bucket, and returns how many were
// refused because the other's was under way. It leaves the last revision in last.
func meet(t *testing.T, js jetstream.JetStream, last *uint64) (n int) {
	t.Helper()
	const subject = "$KV." + bus.BucketState + ".m.e.1"
	var futures []jetstream.PubAckFuture
	for range 8 {
		f, err := js.PublishAsync(subject, nil, jetstream.WithExpectLastSequencePerSubject(*last))
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
	}
	for _, f := range futures {
		select {
		case ack := <-f.Ok():
			*last = ack.Sequence
		case err := <-f.Err():
			if !conflict.Is(err) {
				t.Fatalf("%v is no conflict", err)
			}
			if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant {
				n++
			}
		}
	}
	return n
}

func TestOtherErrorsAreNoConflicts(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("x"), jetstream.ErrStreamNotFound, jetstream.ErrKeyNotFound} {
		if conflict.Is(err) {
			t.Errorf("%v is a conflict", err)
		}
	}
}
