package load

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/queue"
)

var spillFor = flag.Duration("spill", 4*time.Second, "how long each load of TestSpill lasts")

// heard is [rig.worker] with heartbeats, as a worker has them.
func (r rig) heard(t testing.TB, name string, slots int, takes time.Duration) *queue.Consumer {
	js := r.connect(t, name)
	consumer := queue.NewWorker(js, r.cfg.AckWait, queue.Slots{Fleet: slots, Local: 1}, queueConfig)
	guarded := r.guard(t, js, name, execution.OnWorker, r.sleep(takes, execution.OnWorker))
	kv, err := js.KeyValue(t.Context(), bus.BucketFleet)
	if err != nil {
		t.Fatal(err)
	}
	var services heartbeat.Services
	services.Observe("x", takes)
	r.until(t, func(ctx context.Context) error {
		return heartbeat.NewSender(js, kv).Run(ctx, func() heartbeat.Beat {
			u := consumer.Usage()
			return heartbeat.Beat{Kind: heartbeat.KindWorker, Host: name, Worker: &heartbeat.Worker{Slots: u.Slots, Busy: u.Busy,
				Free: u.Free, FreeMillis: int(u.FreeFor.Milliseconds()), Services: services.All()}}
		}, consumer.Changed())
	})
	r.until(t, func(ctx context.Context) error { return consumer.Run(ctx, guarded) })
	return consumer
}

// ends reads the outcomes of the first n requests.
func (r rig) ends(t *testing.T, n int) []execution.Outcome {
	t.Helper()
	all := make([]execution.Outcome, n)
	var reading sync.WaitGroup
	for part := range 8 {
		reading.Go(func() {
			for i := part; i < n; i += 8 {
				q := request(i)
				q.Generation = 1
				o, err := r.outcomes.Read(context.Background(), q.Key())
				if err != nil {
					t.Error(err)
				}
				all[i] = o
			}
		})
	}
	reading.Wait()
	return all
}

const (
	spillWorkers, spillSlots = 2, 4
	spillTakes               = 250 * time.Millisecond
	spillCapacity            = float64(spillWorkers*spillSlots) * float64(time.Second) / float64(spillTakes) // 32/s
)

// spill has two workers and a bridge over a Lambda with 100 environments carry out
// what comes at a multiple of the workers' capacity.
// busy is the share of the slots that had an execution, once the workers had filled up.
func spill(t *testing.T, load float64, variables map[string]string) (ends []execution.Outcome, busy float64) {
	t.Helper()
	r := newRig(t)
	var workers []*queue.Consumer
	for i := range spillWorkers {
		workers = append(workers, r.heard(t, fmt.Sprintf("w%d", i), spillSlots, spillTakes))
	}
	time.Sleep(500 * time.Millisecond) // everyone is pulling, and was heard
	r.bridgeWith(t, 100, spillTakes, variables)
	time.Sleep(500 * time.Millisecond)
	n := int(spillCapacity * load * spillFor.Seconds())
	arriving, over := context.WithCancel(t.Context())
	var sampling sync.WaitGroup
	sampling.Go(func() { busy = occupancy(arriving, workers) })
	r.publishEvenly(t, n, spillCapacity*load)
	over()
	sampling.Wait()
	r.drained(t)
	return r.ends(t, n), busy
}

// occupancy is the share of the slots that have an execution, from one second on until
// ctx ends.
func occupancy(ctx context.Context, workers []*queue.Consumer) float64 {
	begin := time.Now().Add(time.Second)
	busy, slots := 0, 0
	for ctx.Err() == nil {
		time.Sleep(2 * time.Millisecond)
		for _, w := range workers {
			if u := w.Usage(); time.Now().After(begin) {
				busy, slots = busy+u.Busy, slots+u.Slots
			}
		}
	}
	return float64(busy) / float64(max(slots, 1))
}

// Below capacity the cloud gets next to nothing; well above it, everything is done in
// time, and the workers are never idle.
func TestSpill(t *testing.T) {
	t.Run("below capacity", func(t *testing.T) {
		var share float64
		for range quietTries {
			awaitQuiet(t)
			ends, _ := spill(t, 0.9, map[string]string{})
			delegated := 0
			for _, o := range ends {
				if o.Executor == execution.OnLambda {
					delegated++
				}
			}
			share = float64(delegated) / float64(len(ends))
			t.Logf("0.9 of the capacity: %d of %d delegated", delegated, len(ends))
			if share <= 0.005 {
				return
			}
		}
		t.Errorf("%.1f %% delegated, want at most 0.5 %%", 100*share)
	})
	t.Run("four times the capacity", func(t *testing.T) {
		const deadline = 6 * time.Second
		var late int
		var busy float64
		for range quietTries {
			awaitQuiet(t)
			ends, occupied := spill(t, 4, map[string]string{"OVERFLOW_POLICY": "slack", "OVERFLOW_DEADLINE": deadline.String()})
			late, busy = 0, occupied
			var longest time.Duration
			for _, o := range ends {
				took := o.Finished.Sub(o.Enqueued)
				if longest = max(longest, took); took > deadline {
					late++
				}
			}
			t.Logf("4 times the capacity: %d executions, %d later than %v, the longest took %v, workers %.1f %% busy", len(ends), late, deadline, longest, 100*busy)
			if late == 0 && busy >= 0.95 {
				return
			}
		}
		t.Errorf("%d late, workers %.1f %% busy; want none, and 95 %%", late, 100*busy)
	})
}
