package bridge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/overflow"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/machine"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// rig is a bridge over a Lambda that is a function, and workers that are heartbeats.
type rig struct {
	js       jetstream.JetStream
	kv       jetstream.KeyValue
	outcomes *outcome.Store
	bridge   *bridge.Bridge

	mu      sync.Mutex
	invoked []execution.Attempt
	times   []time.Time
	refuse  error         // instead of executing
	hold    chan struct{} // executions end when it is closed
}

func newRig(t *testing.T, variables map[string]string, opts ...bridge.Option) *rig {
	t.Helper()
	return openRig(t, variables, func(r *rig, objects storage.Store, fleet bus.Config, cfg bridge.Config) (*bridge.Bridge, error) {
		return bridge.New(t.Context(), r.js, objects, fleet, execution.ExecutorFunc(r.execute), "bridge", cfg, opts...)
	})
}

func openRig(t *testing.T, variables map[string]string,
	open func(*rig, storage.Store, bus.Config, bridge.Config) (*bridge.Bridge, error)) *rig {
	t.Helper()
	s := bustest.Run(t)
	js := s.Connect(t, "test")
	if err := bus.Provision(t.Context(), js, s.Config); err != nil {
		t.Fatal(err)
	}
	objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bus.BucketFleet)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{js: js, kv: kv, outcomes: outcome.New(objects)}
	if _, set := variables["OVERFLOW_CPU"]; !set {
		variables["OVERFLOW_CPU"] = "0"
	}
	cfg, err := settings.Parse[bridge.Config](variables)
	if err != nil {
		t.Fatal(err)
	}
	if r.bridge, err = open(r, objects, s.Config, cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) execute(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	r.mu.Lock()
	r.invoked, r.times = append(r.invoked, a), append(r.times, time.Now())
	refuse, hold := r.refuse, r.hold
	r.mu.Unlock()
	if refuse != nil {
		return execution.Outcome{}, refuse
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return execution.Outcome{}, ctx.Err()
		}
	}
	return r.outcomes.Commit(ctx, execution.Outcome{Key: a.Request.Key(), Kind: execution.Succeeded, Attempt: execution.NewAttemptID(a.Token),
		Number: a.Number, Executor: execution.OnLambda, RequestDigest: a.Request.Digest(), Finished: time.Now().UTC()}, nil)
}

func (r *rig) invocations() []execution.Attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]execution.Attempt(nil), r.invoked...)
}

// start runs the bridge until the test ends.
func (r *rig) start(t *testing.T) {
	t.Helper()
	run(t, r.bridge.Run)
}

func run(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// worker has the heartbeat of a worker with 4 slots go on until the test ends. What is
// free, and how busy its host is, may change.
func (r *rig) worker(t *testing.T, free int, cpu float64) (set func(free int)) {
	t.Helper()
	var mu sync.Mutex
	changed := make(chan struct{}, 1)
	beat := func() heartbeat.Beat {
		mu.Lock()
		defer mu.Unlock()
		return heartbeat.Beat{Kind: heartbeat.KindWorker, Host: "w", Machine: machine.Usage{CPU: cpu, Cores: 2},
			Worker: &heartbeat.Worker{Slots: 4, Busy: 4 - free, Free: free, FreeMillis: 60 * min(free, 1)}}
	}
	run(t, func(ctx context.Context) error { return heartbeat.NewSender(r.js, r.kv).Run(ctx, beat, changed) })
	eventually(t, "the worker is heard", func() bool {
		fleet, err := heartbeat.Look(t.Context(), r.kv)
		return err == nil && fleet.Total("").Workers == 1
	})
	return func(n int) {
		mu.Lock()
		free = n
		mu.Unlock()
		changed <- struct{}{}
	}
}

func (r *rig) publish(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		request := execution.Request{ID: fmt.Sprintf("e%03d", i), Mailbox: "ventas", Config: execution.Config{Text: "x"},
			Inputs: []execution.Input{{URI: "file:///x/a.csv", Filename: "a.csv"}}}
		if err := queue.Publish(t.Context(), r.js, request); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// metrics are what the bridge serves now, those without labels.
func (r *rig) metrics(t *testing.T) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(r.bridge.Collector())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if m := f.GetMetric()[0]; len(m.GetLabel()) == 0 {
			values[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

// events of a stream, as they are.
func (r *rig) events(t *testing.T, name string) []json.RawMessage {
	t.Helper()
	stream, err := r.js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var all []json.RawMessage
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		msg, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, msg.Data)
	}
	return all
}

// The founding document's rule: more than three wait. Without any heartbeat too, as
// where workers are older or there are none.
func TestOverflowsWithoutHeartbeats(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{})
	r.start(t)
	r.publish(t, 0, 10)
	eventually(t, "7 of 10 invoked", func() bool { return len(r.invocations()) == 7 })
	time.Sleep(300 * time.Millisecond)
	if n := len(r.invocations()); n != 7 {
		t.Errorf("%d invoked, want those above three", n)
	}
}

// Free local slots come first, and are believed for a while only.
func TestTakesNothingWhileSlotsAreFree(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{})
	set := r.worker(t, 2, 10)
	r.start(t)
	eventually(t, "the tap is shut", func() bool {
		return r.metrics(t)["sage_fleet_slots"] == 4 && r.metrics(t)["sage_policy_min_pending"] == 0
	})
	r.publish(t, 0, 10)
	time.Sleep(700 * time.Millisecond)
	if n := len(r.invocations()); n != 0 {
		t.Fatalf("%d invoked while slots are free", n)
	}
	set(0)
	eventually(t, "7 of 10 invoked", func() bool { return len(r.invocations()) == 7 })
	if residue := r.metrics(t)["sage_invocations_residue_total"]; residue != 0 {
		t.Errorf("residue %v", residue)
	}
	set(1) // and has been for 60 ms, which nobody knew
	eventually(t, "the tap is shut again", func() bool { return r.metrics(t)["sage_policy_min_pending"] == 0 })
	r.publish(t, 10, 20)
	eventually(t, "7 more are invoked: the slot doesn't take them", func() bool { return len(r.invocations()) == 17 })
	if residue := r.metrics(t)["sage_invocations_residue_total"]; residue < 1 {
		t.Errorf("residue %v: the heartbeats said that a slot was free", residue)
	}
}

// A busy host doesn't wait for its free slots; whose host is busy is the workers'.
func TestBusyProcessorsOffloadWhatWaits(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"OVERFLOW_CPU": "80"})
	r.worker(t, 1, 93)
	r.start(t)
	r.publish(t, 0, 2)
	eventually(t, "both are invoked", func() bool { return len(r.invocations()) == 2 })
	if w := r.invocations()[0].Why; w == nil || w.Rule != overflow.RuleCPU || w.Signals.CPU != 93 {
		t.Errorf("why: %+v", w)
	}
}

// Only what is about to be late is taken by the rule of age, not all that waits
// behind it.
func TestOldestGoesAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"OVERFLOW_POLICY": "slack", "OVERFLOW_DEADLINE": "4s"})
	r.worker(t, 0, 10) // 0.8 · 4 slots · (4 s − 2 s) / 1.5 s = 4: fewer may wait
	r.start(t)
	for i := range 3 {
		r.publish(t, i, i+1)
		time.Sleep(300 * time.Millisecond)
	}
	eventually(t, "all are invoked, one by one", func() bool { return len(r.invocations()) == 3 })
	const late = 4*time.Second - 2*time.Second - 500*time.Millisecond // less what 2 s have become by learning
	for i, a := range r.invocations() {
		if waited := r.at(i).Sub(a.Enqueued); waited < late-200*time.Millisecond {
			t.Errorf("%s was taken after %v, when it was not late", a.Request.ID, waited)
		}
		if a.Why.Rule != overflow.RuleAge || a.Why.Policy != "slack" {
			t.Errorf("why: %+v, %+v", a.Why, a.Why.Signals)
		}
	}
}

// at is when the i-th invocation began.
func (r *rig) at(i int) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.times[i]
}

// gate is a budget that is spent.
type gate struct{}

func (gate) Open(time.Time) (bool, string) { return false, "the hour's budget is spent" }

// Decisions are told as events, with the numbers; and what keeps the tap shut.
func TestDecisionsAreTold(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{}, bridge.WithGate(gate{}))
	r.start(t)
	r.publish(t, 0, 10)
	var told execution.Decision
	eventually(t, "a decision is told", func() bool {
		all := r.events(t, bus.StreamDecisions)
		return len(all) > 0 && json.Unmarshal(all[len(all)-1], &told) == nil
	})
	if told.Data.Closed != "the hour's budget is spent" || told.Data.Rule != overflow.RulePending || told.Data.MinPending != 4 || told.Data.Reason == "" {
		t.Errorf("told %+v", told.Data)
	}
	if n := len(r.invocations()); n != 0 {
		t.Errorf("%d invoked", n)
	}
	eventually(t, "its heartbeat says so", func() bool {
		fleet, err := heartbeat.Look(t.Context(), r.kv)
		return err == nil && len(fleet.Members()) == 1 && fleet.Members()[0].Bridge.Closed == told.Data.Closed
	})
}

// What is put back is told with the reason, and charges no attempt.
func TestReturnedExecutionsSayWhy(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{})
	r.refuse = &execution.BusyError{For: time.Hour, Err: fault.New(remote.CodeThrottled, "no capacity")}
	r.start(t)
	r.publish(t, 0, 4)
	eventually(t, "one is put back", func() bool { return r.metrics(t)["sage_invocations_returned_total"] == 1 })
	if m := r.metrics(t); m["sage_invocations_throttled_total"] != 1 || m["sage_invocations_total"] != 1 {
		t.Errorf("metrics %v", m)
	}
	kinds := map[string]execution.EventData{}
	eventually(t, "it is told", func() bool {
		for _, data := range r.events(t, bus.StreamEvents) {
			var e execution.Event
			if err := json.Unmarshal(data, &e); err != nil {
				t.Fatal(err)
			}
			kinds[strings.TrimPrefix(e.Type, "dev.sagefleet.execution.")] = e.Data
		}
		return kinds[execution.EventReturned].Code != ""
	})
	if d := kinds[execution.EventReturned]; d.Code != string(remote.CodeThrottled) || d.Why == nil || d.Why.Rule != overflow.RulePending || d.Why.Signals.Pending != 3 {
		t.Errorf("returned: %+v, %+v", d, d.Why)
	}
	if d := kinds[execution.EventStarted]; d.Why == nil || d.Why.MinPending != 4 {
		t.Errorf("started: %+v", d)
	}
}
