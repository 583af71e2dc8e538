package telemetry_test

import (
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

// TestCountingIsCheap: what is counted of an execution allocates next to nothing, which a
// busy machine doesn't change. `task overhead` measures time.
func TestCountingIsCheap(t *testing.T) {
	m := telemetry.New("worker", telemetry.Config{Mailboxes: 50})
	accepted := time.Now().Add(-3 * time.Second)
	a := execution.Attempt{Number: 1, Enqueued: accepted}
	o := execution.Outcome{Key: key, Kind: execution.Succeeded, Executor: execution.OnWorker, Enqueued: accepted,
		Started: accepted.Add(time.Second), Finished: accepted.Add(3 * time.Second)}
	count := func() {
		m.AttemptBegan(execution.OnWorker, a)
		m.ExecutionEnded(a, o)
		m.MessageHandled(queue.Handled{Mailbox: key.Mailbox, End: queue.EndDone})
	}
	if n := testing.AllocsPerRun(1000, count); n > 3 {
		t.Errorf("counting one execution allocates %v times, want 3 at most", n)
	}
}
