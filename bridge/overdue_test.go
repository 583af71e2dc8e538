package bridge_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// An invocation that doesn't answer is not waited for when a worker could do the work
// before its deadline: it goes where workers alone take it, as soon as one has room.
func TestASilentLambdaIsNotWaitedForPastTheDeadline(t *testing.T) {
	t.Parallel()
	r := openBudget(t, 0)
	r.hold = make(chan struct{})
	var busy atomic.Bool
	busy.Store(true)
	changed := make(chan struct{}, 1)
	run(t, func(ctx context.Context) error {
		return heartbeat.NewSender(r.js, r.kv).Run(ctx, func() heartbeat.Beat {
			w := heartbeat.Worker{Slots: 4, Busy: 4, LocalSlots: 1}
			if busy.Load() {
				w.LocalBusy = 1
			}
			return heartbeat.Beat{Kind: heartbeat.KindWorker, Host: "w", Worker: &w}
		}, changed)
	})
	r.start(t)
	request := execution.Request{ID: "e1", Mailbox: "ventas", Config: execution.Config{Text: "x"}, Deadline: time.Now().Add(2 * time.Second),
		Inputs: []execution.Input{{URI: "file:///x/a.csv", Filename: "a.csv"}}}
	if err := queue.Publish(t.Context(), r.js, request); err != nil {
		t.Fatal(err)
	}
	r.publish(t, 0, 3) // without a deadline
	eventually(t, "it is invoked", func() bool { return len(r.invocations()) == 1 && r.invocations()[0].Request.ID == "e1" })
	local := func() bool {
		found, ok, err := queue.Find(t.Context(), r.js, request.Key())
		return err == nil && ok && bus.IsLocal(found.Subject)
	}
	time.Sleep(4500 * time.Millisecond) // twice what a Lambda takes, as far as anybody knows
	if local() || r.metrics(t)["sage_invocations_returned_total"] != 0 {
		t.Fatal("it was given up while no worker has room")
	}
	busy.Store(false)
	changed <- struct{}{}
	eventually(t, "it is left to workers", local)
	kv, err := r.js.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	if e, _, err := delegation.New(r.js, kv, time.Hour).Load(t.Context(), request.Key()); err != nil || e.State != delegation.Unknown {
		t.Errorf("the ledger says %q: %v", e.State, err)
	}
	told := func() (e execution.Event) {
		for _, data := range r.events(t, bus.StreamEvents) {
			if err := json.Unmarshal(data, &e); err == nil && e.Data.Code == string(bridge.CodeOverdue) {
				return e
			}
		}
		return execution.Event{}
	}
	eventually(t, "it is told", func() bool { return told().Data.ID == "e1" })
	close(r.hold)
}
