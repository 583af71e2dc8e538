package producer_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// fleet is the real stores of a test.
type fleet struct {
	js       jetstream.JetStream
	objects  storage.Store
	outcomes *outcome.Store
	states   *state.Store
	producer *producer.Producer
	tracker  *producer.Tracker
}

func newFleet(t *testing.T) fleet {
	t.Helper()
	js := bustest.Start(t)
	objects, err := storage.Open(t.Context(), "file://"+filepath.ToSlash(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	states := state.New(js, kv, time.Hour)
	return fleet{js, objects, outcome.New(objects), states, producer.New(js, objects), producer.NewTracker(js, states, objects)}
}

// key names a generation of the execution that tests are about.
func key(generation int) execution.Key {
	return execution.Key{Mailbox: "m", ID: "e1", Generation: generation}
}

func submission() producer.Submission {
	return producer.Submission{Mailbox: "m", ID: "e1", Config: []byte("sage_yaml: {}"), Files: []producer.File{text("a.csv", "id\n1\n")}}
}

func text(name, content string) producer.File {
	return producer.File{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

func (f fleet) commit(t *testing.T, o execution.Outcome) {
	t.Helper()
	o.Attempt, o.Executor = execution.NewAttemptID(1), execution.OnWorker
	if _, err := f.outcomes.Commit(t.Context(), o, nil); err != nil {
		t.Fatal(err)
	}
}

// record writes the first record of its generation.
func (f fleet) record(t *testing.T, r state.Record) {
	t.Helper()
	if _, err := f.states.Save(t.Context(), r, 0); err != nil {
		t.Fatal(err)
	}
}
