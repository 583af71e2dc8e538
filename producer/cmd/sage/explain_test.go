package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/machine"
	"github.com/sagefleet/sagefleet/shared/queue"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.sage(t, exitOK, "submit", goodConfig, file(t, "flaky.csv", csvData), "--id", "waits")
	results := []result{f.sage(t, exitOK, "explain", "waits")}
	f.work(t)
	f.sage(t, exitOK, "wait", "waits")
	f.sage(t, exitOK, "submit", goodConfig, file(t, "clean.csv", csvData), "--id", "here", "--wait")
	results = append(results, f.sage(t, exitOK, "explain", "here"))
	f.sage(t, exitOK, "submit", goodConfig, file(t, "clean.csv", csvData), "--id", "cloud", "--wait")
	f.tellOfLambda(t, "cloud")
	results = append(results, f.sage(t, exitOK, "explain", "cloud"), f.sage(t, exitFailed, "explain", "none"))
	compare(t, "explain.golden", results...)
	r := f.sage(t, exitOK, "explain", "cloud", "--json")
	var e producer.Explanation
	if err := json.Unmarshal([]byte(r.stdout), &e); err != nil || len(e.Steps) != 5 || e.Steps[2].Why.Rule != "age" || e.Steps[3].Code != "REMOTE_THROTTLED" {
		t.Errorf("printed %q: %v", r.stdout, err)
	}
}

// tellOfLambda publishes what a bridge tells of an execution that it hands over, that
// comes back, and that it hands over again.
func (f testFleet) tellOfLambda(t *testing.T, id string) {
	t.Helper()
	accepted := time.Now().UTC()
	why := &execution.Why{Rule: "age", Policy: "slack", MinPending: 1, Reason: "the oldest waits for 26.6s, and the cloud needs 2.9s of 30s",
		Signals: &execution.Signals{Pending: 38, AckPending: 21, Delegated: 5, HeadAgeMillis: 26600, Slots: 16, Busy: 16, CPU: 93.4,
			DeadlineMillis: 30000, CloudMillis: 2900, Throttled: true}}
	data := execution.EventData{Key: execution.Key{Mailbox: "general", ID: id, Generation: 1}, State: execution.Running, Number: 1,
		Executor: execution.OnLambda, Why: why, Enqueued: accepted}
	events := event.New(f.js, bus.SubjectEvent)
	for i, kind := range []string{execution.EventStarted, execution.EventReturned, execution.EventSucceeded} {
		at := accepted.Add(time.Duration(i+27) * time.Second)
		data.Token = uint64(1000 + i) //nolint:gosec // small
		data.Code, data.Reason = "", ""
		switch kind {
		case execution.EventReturned:
			data.State, data.Code, data.Reason = execution.Accepted, "REMOTE_THROTTLED", "the function is throttled [REMOTE_THROTTLED]"
		case execution.EventSucceeded:
			data.State, data.Started, data.Finished = execution.Succeeded.Terminal(), at.Add(-1500*time.Millisecond), at
			data.Usage = &execution.Usage{BilledMillis: 1312, CostUSD: 0.0000381}
		}
		if err := events.Publish(kind, execution.NewEvent(kind, "bridge-1", at, data))(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFleet(t *testing.T) {
	t.Parallel()
	started := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	member := func(kind, host string, p heartbeat.Presence) heartbeat.Member {
		return heartbeat.Member{Beat: heartbeat.Beat{Kind: kind, Host: host, Started: started, Machine: machine.Usage{CPU: 93.4, Cores: 2, Memory: 734e6}},
			Presence: p, Heard: started.Add(90 * time.Minute)}
	}
	full, ending, dead := member("worker", "host-1-77-a2b3c4", heartbeat.Here), member("worker", "host-2-9-k3x9qa", heartbeat.Draining), member("worker", "gone", heartbeat.Dead)
	full.Worker = &heartbeat.Worker{Slots: 8, Busy: 8, LocalSlots: 1, LocalBusy: 1, Executed: 4711}
	ending.Worker, dead.Worker = &heartbeat.Worker{Slots: 8, Busy: 1, LocalSlots: 1}, &heartbeat.Worker{Slots: 8, Busy: 3, LocalSlots: 1}
	open, shut := member("bridge", "bridge-1", heartbeat.Here), member("bridge", "bridge-2", heartbeat.Here)
	open.Bridge = &heartbeat.Bridge{Slots: 100, InFlight: 5, Delegated: 120, Returned: 4, Residue: 1, Throttled: 4,
		Why: execution.Why{Rule: "pending", Policy: "threshold", MinPending: 4, Reason: "more than 3 waiting"}}
	shut.Bridge = &heartbeat.Bridge{Slots: 100, Closed: "the hour's budget is spent", Why: execution.Why{Rule: "pending", Policy: "threshold"}}
	var out bytes.Buffer
	a := &app{stdout: &out}
	if err := a.printFleet(fleetNow{Backlog: queue.Backlog{Waiting: 38, InFlight: 14, Later: 2}, Members: []heartbeat.Member{full, ending, open, shut}}); err != nil {
		t.Fatal(err)
	}
	compare(t, "fleet.golden", result{args: []string{"fleet"}, stdout: out.String()})
	out.Reset()
	if err := a.printFleet(fleetNow{Members: []heartbeat.Member{dead}}); err != nil || !strings.Contains(out.String(), "silent, last heard") {
		t.Errorf("of a worker that died: %q, %v", out.String(), err)
	}
	f := newFleet(t)
	if r := f.sage(t, exitOK, "fleet"); !strings.Contains(r.stdout, "Nobody is heard") {
		t.Errorf("of nobody: %q", r.stdout)
	}
	r := f.sage(t, exitOK, "fleet", "--json")
	var now fleetNow
	if err := json.Unmarshal([]byte(r.stdout), &now); err != nil || now.Members != nil {
		t.Errorf("printed %q: %v", r.stdout, err)
	}
}
