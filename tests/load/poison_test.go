package load

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// Messages that fail again and again must not stand in the way of good ones, even
// when there are as many of them as may be in flight: a retry that waits is not in
// flight.
func TestFailingMessagesDoNotBlockGoodOnes(t *testing.T) {
	const failing, limit = 10, 50 * time.Millisecond
	measure := func() time.Duration {
		r := newRigWith(t, func(c *bus.Config) { c.MaxAckPending = failing })
		js := r.connect(t, "w0")
		commit := r.sleep(0, execution.OnWorker)
		guarded := r.guard(t, js, "w0", execution.OnWorker, execution.ExecutorFunc(
			func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
				if a.Request.Mailbox == "veneno" {
					return execution.Outcome{}, fault.New("INPUT_MISSING", "no such file")
				}
				return commit(ctx, a)
			}))
		consumer := queue.NewWorker(js, r.cfg.AckWait, queue.Slots{Fleet: 2, Local: 1}, queueConfig)
		r.until(t, func(ctx context.Context) error { return consumer.Run(ctx, guarded) })
		r.submit(t, "veneno", failing)
		r.failed(t, failing)
		r.submit(t, "callada", 1)
		o := r.ended(t, execution.Key{Mailbox: "callada", ID: request(0).ID, Generation: 1})
		return o.Started.Sub(o.Enqueued)
	}
	var waits []string
	for range quietTries {
		awaitQuiet(t)
		wait := measure()
		t.Logf("the first good message waits %v beside %d failing ones", wait, failing)
		if wait < limit {
			return
		}
		waits = append(waits, fmt.Sprint(wait))
	}
	t.Errorf("the first good message waits %v, want less than %v", waits, limit)
}

// failed waits until n first attempts have failed.
func (r rig) failed(t testing.TB, n uint64) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		stream, err := r.js.Stream(t.Context(), bus.StreamLater)
		if err != nil {
			t.Fatal(err)
		}
		if stream.CachedInfo().State.LastSeq >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d retries were scheduled, want %d", stream.CachedInfo().State.LastSeq, n)
		}
		time.Sleep(time.Millisecond)
	}
}
