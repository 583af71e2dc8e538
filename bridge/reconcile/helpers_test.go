package reconcile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/bridge/reconcile"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

const stateTTL = time.Hour

var config = reconcile.Config{Every: time.Second, Grace: time.Millisecond, Window: time.Hour / 2, List: 1000, Batch: 100}

// fleet is the real stores of a test.
type fleet struct {
	js       jetstream.JetStream
	server   bustest.Server
	objects  storage.Store
	outcomes *outcome.Store
	states   *state.Store
}

func newFleet(t *testing.T, objects storage.Store) fleet {
	t.Helper()
	server := bustest.Run(t)
	js := server.Connect(t, "test")
	if err := bus.Provision(t.Context(), js, server.Config); err != nil {
		t.Fatal(err)
	}
	return fleet{js, server, objects, outcome.New(objects), state.New(js, bucket(t, js, bus.BucketState), stateTTL)}
}

// newAgingFleet is a fleet on a directory, and makes a stored request older than it is.
func newAgingFleet(t *testing.T) (fleet, func(execution.Request, time.Duration)) {
	t.Helper()
	root := t.TempDir()
	objects, err := storage.Open(t.Context(), "file://"+root)
	if err != nil {
		t.Fatal(err)
	}
	return newFleet(t, objects), func(r execution.Request, by time.Duration) {
		t.Helper()
		then := time.Now().Add(-by)
		if err := os.Chtimes(filepath.Join(root, intake.RequestKey(r.Mailbox, r.ID)), then, then); err != nil {
			t.Fatal(err)
		}
	}
}

func bucket(t *testing.T, js jetstream.JetStream, name string) jetstream.KeyValue {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func (f fleet) reconciler(t *testing.T, host string, cfg reconcile.Config) *reconcile.Reconciler {
	t.Helper()
	r, err := reconcile.New(t.Context(), f.js, f.objects, f.server.Config, stateTTL, host, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Reset)
	return r
}

// sweeps sweeps n times and adds up what was done.
func sweeps(t *testing.T, r *reconcile.Reconciler, n int) reconcile.Summary {
	t.Helper()
	var total reconcile.Summary
	for range n {
		time.Sleep(3 * time.Millisecond) // more than the grace period
		done, err := r.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		total.Repaired += done.Repaired
		total.Requeued += done.Requeued
		total.Moved += done.Moved
		total.Stranded += done.Stranded
		total.Suspects = done.Suspects
	}
	return total
}

func request(id string) execution.Request {
	return execution.Request{ID: id, Mailbox: "ventas", Config: execution.Config{Text: "x"},
		Inputs: []execution.Input{{URI: "u", Filename: "a.csv"}}}
}

// submit stores the request as a producer does, without publishing it.
func (f fleet) submit(t *testing.T, id string) execution.Request {
	t.Helper()
	r := request(id)
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.objects.Create(t.Context(), intake.RequestKey(r.Mailbox, id), data); err != nil {
		t.Fatal(err)
	}
	return r
}

func (f fleet) publish(t *testing.T, r execution.Request) {
	t.Helper()
	if err := queue.Publish(t.Context(), f.js, r); err != nil {
		t.Fatal(err)
	}
}

func (f fleet) record(t *testing.T, r execution.Request, s execution.State) {
	t.Helper()
	rec := state.Record{Key: r.Key(), State: s, RequestDigest: r.Digest(), Failures: 1, Host: "gone", Enqueued: long, Updated: long}
	if _, err := f.states.Save(t.Context(), rec, 0); err != nil {
		t.Fatal(err)
	}
}

// long is a time before the grace period.
var long = time.Now().Add(-time.Minute).UTC()

func (f fleet) commit(t *testing.T, r execution.Request, kind execution.Kind) execution.Outcome {
	t.Helper()
	o := execution.Outcome{Key: r.Key(), Kind: kind, Attempt: execution.NewAttemptID(7), Number: 2,
		Executor: execution.OnLambda, Host: "h", RequestDigest: r.Digest(), Enqueued: long, Finished: long}
	if kind == execution.Dead {
		o.Fault = fault.New("CSV_QUOTE", "a quote is never closed")
	}
	if _, err := f.outcomes.Commit(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
	return o
}

// retryAt is the message of a retry that is due at a time.
func retryAt(t *testing.T, r execution.Request, at time.Time) *nats.Msg {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	msg := nats.NewMsg(bus.SubjectLater(r.Key()))
	msg.Data = data
	msg.Header.Set("Nats-Schedule", "@at "+at.UTC().Format(time.RFC3339Nano))
	msg.Header.Set("Nats-Schedule-Target", bus.SubjectDue(r.Mailbox, r.ID))
	return msg
}

func (f fleet) load(t *testing.T, k execution.Key) state.Record {
	t.Helper()
	r, _, err := f.states.Load(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (f fleet) backlog(t *testing.T) queue.Backlog {
	t.Helper()
	b, err := queue.Lag(t.Context(), f.js)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// events returns the kinds that were told, sorted, with the id of the execution.
func (f fleet) events(t *testing.T) []string {
	t.Helper()
	stream, err := f.js.Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	kinds := []string{}
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		msg, err := stream.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		var e execution.Event
		if err := json.Unmarshal(msg.Data, &e); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, fmt.Sprintf("%s %s", e.Data.Key.ID, e.Type[strings.LastIndexByte(e.Type, '.')+1:]))
	}
	slices.Sort(kinds)
	return kinds
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// flaky is a store of which a third of the calls fails.
type flaky struct{ storage.Store }

var errFlaky = errors.New("the store is away")

func (f *flaky) fails() bool { return rand.IntN(3) == 0 }

func (f *flaky) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	body, err := f.Store.Get(ctx, key)
	if err != nil || !f.fails() {
		return body, err
	}
	_ = body.Close()
	return io.NopCloser(io.MultiReader(bytes.NewReader([]byte("{")), brokenReader{})), nil
}

func (f *flaky) Stat(ctx context.Context, key string) (storage.Info, error) {
	if f.fails() {
		return storage.Info{}, errFlaky
	}
	return f.Store.Stat(ctx, key)
}

// counting is a store that counts.
type counting struct {
	storage.Store
	stats int
}

func (c *counting) Stat(ctx context.Context, key string) (storage.Info, error) {
	c.stats++
	return c.Store.Stat(ctx, key)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errFlaky }
