// Package load measures the fleet under load: how much the commit protocol costs,
// how the bridge behaves around capacity, and how workers scale.
package load

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// quietTries is how often a figure may be measured: what else runs on the machine
// can only make it worse.
const quietTries = 3

// quietWait is how long all tests together may wait for a quiet machine.
var quietWait = 100 * time.Second

// awaitQuiet waits, for a while, until the machine has time for this test: other
// packages' tests run beside it. It waits for short sleeps to end when they should.
func awaitQuiet(t testing.TB) {
	t.Helper()
	const nap, late = time.Millisecond, 4 * time.Millisecond
	start := time.Now()
	defer func() { quietWait -= time.Since(start) }()
	for time.Since(start) < quietWait {
		overslept := 0
		for range 300 {
			began := time.Now()
			time.Sleep(nap)
			if time.Since(began) > nap+late {
				overslept++
			}
		}
		if overslept <= 1 {
			return
		}
	}
	t.Log("the machine never was quiet")
}

// rig is a real server, a real store, and components over them.
type rig struct {
	cfg      bus.Config
	connect  func(t testing.TB, name string) jetstream.JetStream
	js       jetstream.JetStream
	objects  storage.Store
	outcomes *outcome.Store
}

func newRig(t testing.TB) rig { return newRigWith(t, func(*bus.Config) {}) }

func newRigWith(t testing.TB, change func(*bus.Config)) rig {
	t.Helper()
	s := bustest.Run(t)
	s.Config.AckWait = 30 * time.Second
	change(&s.Config)
	connect := func(t testing.TB, name string) jetstream.JetStream { return s.Connect(t, bus.Identity(name)) }
	return newRigOver(t, s.Config, connect, "file://"+storeDir(t))
}

// newRigOver provisions the server that connect leads to.
func newRigOver(t testing.TB, cfg bus.Config, connect func(testing.TB, string) jetstream.JetStream, storageURL string) rig {
	t.Helper()
	js := connect(t, "load")
	if err := bus.Provision(t.Context(), js, cfg); err != nil {
		t.Fatal(err)
	}
	objects, err := storage.Open(t.Context(), storageURL)
	if err != nil {
		t.Fatal(err)
	}
	return rig{cfg, connect, js, objects, outcome.New(objects)}
}

// storeDir is a directory that stays until the whole run is over: some file
// systems create slowly for a while after a large deletion.
func storeDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(stores, "")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// stores is made by TestMain.
var stores string

var queueConfig = queue.Config{Drain: time.Second, BackoffBase: time.Second, BackoffCap: time.Minute}

// worker runs a worker with slots on a connection of its own until the test ends.
// Its executions take the given time and commit.
func (r rig) worker(t testing.TB, name string, slots int, takes time.Duration) {
	js := r.connect(t, name)
	consumer := queue.NewWorker(js, r.cfg.AckWait, queue.Slots{Fleet: slots, Local: 1}, queueConfig)
	guarded := r.guard(t, js, name, execution.OnWorker, r.sleep(takes, execution.OnWorker))
	r.until(t, func(ctx context.Context) error { return consumer.Run(ctx, guarded) })
}

func (r rig) guard(t testing.TB, js jetstream.JetStream, host, kind string, next execution.Executor) execution.Executor {
	t.Helper()
	g, err := guard.Open(t.Context(), js, r.cfg, r.outcomes, next, guard.Identity{Executor: kind, Host: host},
		guard.Config{MaxAttempts: 5, MaxCrashes: 3, StateTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// until has run run until the test ends.
func (r rig) until(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// reports stands for what a small file's reports weigh.
var reports = []outcome.Data{
	{Name: "report.json", Bytes: make([]byte, 2<<10)},
	{Name: "report.html", Bytes: make([]byte, 4<<10)},
	{Name: "results.txt", Bytes: make([]byte, 1<<10)},
}

// sleep is an executor that takes some time and commits a small result.
func (r rig) sleep(takes time.Duration, kind string) execution.ExecutorFunc {
	return func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		started := time.Now().UTC()
		if takes > 0 {
			select {
			case <-time.After(takes):
			case <-ctx.Done():
				return execution.Outcome{}, context.Cause(ctx)
			}
		}
		return r.outcomes.Commit(ctx, execution.Outcome{Key: a.Request.Key(), Kind: execution.Succeeded,
			Attempt: execution.NewAttemptID(a.Token), Number: a.Number, Executor: kind,
			RequestDigest: a.Request.Digest(), Enqueued: a.Enqueued, Started: started, Finished: time.Now().UTC()}, reports)
	}
}

func request(i int) execution.Request {
	return execution.Request{ID: fmt.Sprintf("e%07d", i), Mailbox: "carga", Config: execution.Config{Text: "sage_yaml: {}"},
		Inputs: []execution.Input{{URI: "file:///x/a.csv", Filename: "a.csv"}}}
}

func (r rig) publish(t testing.TB, from, to int) {
	t.Helper()
	var rs []execution.Request
	for i := from; i < to; i++ {
		rs = append(rs, request(i))
	}
	if err := queue.PublishMany(t.Context(), r.js, rs, nil); err != nil {
		t.Fatal(err)
	}
}

// drained waits until nothing waits and nothing is in flight.
func (r rig) drained(t testing.TB) { r.reaches(t, queue.Backlog{}) }

// reaches waits until the backlog is want.
func (r rig) reaches(t testing.TB, want queue.Backlog) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		b, err := queue.Lag(t.Context(), r.js)
		if err != nil {
			t.Fatal(err)
		}
		if b == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the backlog is %+v and never became %+v", b, want)
		}
		time.Sleep(20 * time.Millisecond) // four questions to the server, which has other work
	}
}
