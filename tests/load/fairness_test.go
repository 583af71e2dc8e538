package load

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// A mailbox that sends ten times as much, and sends it first, may at most double
// how long another one waits.
func TestOneMailboxDoesNotStarveAnother(t *testing.T) {
	const quiet, noisy, takes, slots, workers = 60, 600, 20 * time.Millisecond, 2, 2
	measure := func(noise int) time.Duration {
		r := newRig(t)
		r.submit(t, "ruidosa", noise)
		for i := range workers {
			r.worker(t, fmt.Sprintf("w%d", i), slots, takes)
		}
		if noise > 0 { // the backlog is being worked off when the other mailbox sends
			time.Sleep(time.Second)
		}
		r.submit(t, "callada", quiet)
		return history.Percentile(r.waits(t, "callada", quiet), 99)
	}
	var ratios []string
	for range quietTries {
		awaitQuiet(t)
		alone := measure(0)
		beside := measure(noisy)
		ratios = append(ratios, fmt.Sprintf("%v beside, %v alone, %.2f times", beside, alone, float64(beside)/float64(alone)))
		t.Log("p99 wait of the small mailbox: ", ratios[len(ratios)-1])
		if beside <= 2*alone {
			return
		}
	}
	t.Errorf("the small mailbox waits more than twice as long beside the large one: %v", ratios)
}

// submit publishes n requests to mailbox.
func (r rig) submit(t testing.TB, mailbox string, n int) {
	t.Helper()
	var rs []execution.Request
	for i := range n {
		one := request(i)
		one.Mailbox = mailbox
		rs = append(rs, one)
	}
	if err := queue.PublishMany(t.Context(), r.js, rs, nil); err != nil {
		t.Fatal(err)
	}
}

// waits returns how long each of n executions of mailbox waited, sorted, once all
// have ended.
func (r rig) waits(t testing.TB, mailbox string, n int) []time.Duration {
	t.Helper()
	var waits []time.Duration
	for i := range n {
		o := r.ended(t, execution.Key{Mailbox: mailbox, ID: request(i).ID, Generation: 1})
		waits = append(waits, o.Started.Sub(o.Enqueued))
	}
	slices.Sort(waits)
	return waits
}

// ended waits for the outcome of k.
func (r rig) ended(t testing.TB, k execution.Key) execution.Outcome {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		o, err := r.outcomes.Read(t.Context(), k)
		if err == nil {
			return o
		}
		if !errors.Is(err, outcome.ErrNone) || time.Now().After(deadline) {
			t.Fatalf("%s: %v", k, err)
		}
		time.Sleep(time.Millisecond)
	}
}
