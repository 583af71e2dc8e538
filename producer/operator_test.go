package producer_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/queue"
)

func (f fleet) operator(t *testing.T) *producer.Operator {
	t.Helper()
	op, err := producer.OpenOperator(t.Context(), f.js, f.objects, bus.Config{AckWait: 2 * time.Second}, time.Hour, "ana")
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// work runs a worker around next until the test ends. Its retries come at once,
// or not at all while the test lasts.
func (f fleet) work(t *testing.T, retries bool, next execution.ExecutorFunc) {
	t.Helper()
	g, err := guard.Open(t.Context(), f.js, bus.Config{AckWait: 2 * time.Second}, f.outcomes, next,
		guard.Identity{Executor: execution.OnWorker, Host: "h1"}, guard.Config{MaxAttempts: 2, MaxCrashes: 3, StateTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	wait := time.Hour
	if retries {
		wait = 10 * time.Millisecond
	}
	c := queue.NewWorker(f.js, 2*time.Second, queue.Slots{Fleet: 4, Local: 1}, queue.Config{Drain: time.Second, BackoffBase: wait, BackoffCap: wait})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx, g) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// succeed is an executor that commits.
func (f fleet) succeed(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	return f.outcomes.Commit(ctx, execution.Outcome{Key: a.Request.Key(), Kind: execution.Succeeded,
		Attempt: execution.NewAttemptID(a.Token), Number: a.Number, Executor: execution.OnWorker, Host: "h1",
		RequestDigest: a.Request.Digest(), Enqueued: a.Enqueued, Finished: time.Now().UTC()}, nil)
}

var errBroken = fault.New("CSV_QUOTE", "a quote is never closed").Permanent()

// wait polls for the state of the last generation of an execution.
func (f fleet) wait(t *testing.T, id string, generation int, want execution.State) producer.Status {
	t.Helper()
	var s producer.Status
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if s, err = f.tracker.Status(t.Context(), "m", id); err == nil && s.Generation == generation && s.State == want {
			return s
		}
	}
	t.Fatalf("%s is %s (%v), want generation %d %s", s.Key, s.State, err, generation, want)
	return s
}

// letter waits for the dead letter of a generation.
func (f fleet) letter(t *testing.T, id string, generation int) queue.Letter {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var l queue.Letter
		if l, err = queue.ReadLetter(t.Context(), f.js, "m", id, generation); err == nil {
			return l
		}
	}
	t.Fatalf("dead letter of %s: %v", id, err)
	return queue.Letter{}
}

// told returns the events of a kind.
func (f fleet) told(t *testing.T, kind string) []execution.Event {
	t.Helper()
	stream, err := f.js.Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	var events []execution.Event
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		msg, err := stream.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		var e execution.Event
		if err := json.Unmarshal(msg.Data, &e); err != nil {
			t.Fatal(err)
		}
		if msg.Subject == bus.SubjectEvent(e.Data.Mailbox, kind) {
			events = append(events, e)
		}
	}
	return events
}

// messages counts what is stored in streams and buckets: whether anything changed.
func (f fleet) messages(t *testing.T) (last map[string]uint64) {
	t.Helper()
	last = map[string]uint64{}
	for _, name := range []string{bus.StreamExecutions, bus.StreamLater, bus.StreamDead, bus.StreamEvents, "KV_" + bus.BucketState, "KV_" + bus.BucketLocks} {
		stream, err := f.js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		last[name] = stream.CachedInfo().State.LastSeq
	}
	for _, err := range f.objects.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		last["objects"]++
	}
	return last
}
