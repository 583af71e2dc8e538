package terraform

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/bridge/reconcile"
	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/producer/doctor"
	"github.com/sagefleet/sagefleet/producer/retention"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/worker"
	"github.com/sagefleet/sagefleet/worker/cache"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/processor"
)

const (
	mailbox = "ventas"
	config  = "sage_yaml: {name: n, description: d, version: '1', author: a}\n" +
		"catalogs: {c: {name: c, description: d, filename: data.csv, file_format: {type: CSV, delimiter: ',', header: true},\n" +
		"  fields: [{name: id, type: texto}]}}\npackages: {}\n"
)

// TestRolesAllowWhatTheCodeDoes runs each component's code against a bucket that asks
// the policies first. Nothing may be refused, and no right may be left unused.
func TestRolesAllowWhatTheCodeDoes(t *testing.T) {
	f := &site{T: t, cloud: newCloud(t), js: bustest.Start(t)}
	f.intake("e1", "id\n1\n")
	first := f.work("e1", execution.Request{})
	f.resume(first)
	f.bridge()
	f.tracker(first)
	f.author()
	f.notify(first)
	f.erase()
	f.collect()

	for component, server := range f.servers {
		for _, c := range server.refused {
			t.Errorf("%s may not %s on %s", component, c.action, c.resource)
		}
		for _, st := range server.rights.Statement {
			for _, action := range st.Action {
				for _, resource := range st.Resource {
					// An upload is aborted only after it failed.
					idle := strings.HasPrefix(action, "kms:") || action == "s3:AbortMultipartUpload"
					if !idle && !server.used[action+" "+resource] {
						t.Errorf("%s may %s on %s and never does", component, action, resource)
					}
				}
			}
		}
	}
}

// TestOutcomesAreCreatedOnce: not even the roles that write outcomes can replace or
// delete one, whatever their code does; the eraser can replace.
func TestOutcomesAreCreatedOnce(t *testing.T) {
	c := newCloud(t)
	const key = "outcome/ab/x"
	if err := c.stores["worker"].Create(t.Context(), key, []byte("first")); err != nil {
		t.Fatal(err)
	}
	for component, store := range c.stores {
		_, err := store.Put(t.Context(), key, strings.NewReader("second"))
		if replaced := err == nil; replaced != (component == "eraser") {
			t.Errorf("%s replaced an outcome: %v, %v", component, replaced, err)
		}
		if err := store.Delete(t.Context(), key); err == nil {
			t.Errorf("%s deleted an outcome", component)
		}
	}
	large := bytes.Repeat([]byte("x"), 9<<20) // in parts
	if _, err := c.stores["worker"].Put(t.Context(), "outcome/ab/y", bytes.NewReader(large)); err == nil {
		t.Error("an outcome was put in parts")
	}
}

// site is a fleet whose components share a bucket, each under its own role.
type site struct {
	*testing.T
	cloud
	js jetstream.JetStream
}

func (f *site) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// intake submits as `sage submit` does: a small file, and one that goes in parts.
func (f *site) intake(id, data string) {
	text := func(name string, content []byte) producer.File {
		return producer.File{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}
	}
	p := producer.New(f.js, f.stores["intake"])
	_, err := p.Submit(f.Context(), producer.Submission{Mailbox: mailbox, ID: id, Config: []byte(config), Files: []producer.File{
		text("data.csv", []byte(data)), text("large.csv", bytes.Repeat([]byte("id\n"), 3<<20)),
	}})
	f.must(err)
}

// request asks for the small file of an execution that was submitted.
func (f *site) request(id string) (r execution.Request) {
	folder := "inputs/" + mailbox + "/" + id + "/"
	for info, err := range f.stores["gc"].List(f.Context(), folder) {
		f.must(err)
		if !strings.HasSuffix(info.Key, "request.json") && info.Size < 1<<20 {
			r = execution.Request{ID: id, Mailbox: mailbox, Config: execution.Config{Text: config},
				Inputs: []execution.Input{{URI: storage.Join(f.stores["worker"].URL(), folder) + filepath.Base(info.Key), Filename: "data.csv"}}}
		}
	}
	return r
}

// work executes a request as workers and the Lambda do, with the cache on; of an
// execution that was submitted when id is given.
func (f *site) work(id string, r execution.Request) execution.Outcome {
	objects := f.stores["worker"]
	if id != "" {
		r = f.request(id)
	}
	kept := cache.New(objects, cache.Config{Mode: "on", MaxAge: time.Hour, MaxBytes: 1 << 20})
	e := executor.New(objects, worker.NewProcessor(processor.Config{Engine: "native"}, "", kept), execution.OnWorker, "h1",
		executor.Config{Language: "es", MaxInputBytes: 1 << 30})
	o, err := e.Execute(f.Context(), execution.Attempt{Request: r, Token: 1, Number: 1, Enqueued: time.Now()})
	f.must(err)
	if o.Kind != execution.Succeeded {
		f.Fatalf("%s ended %s: %v", r.ID, o.Kind, o.Fault)
	}
	return o
}

// resume has workers do what a later execution asks of an earlier one: its findings,
// a damaged entry of them, its large results.
func (f *site) resume(first execution.Outcome) {
	ctx, outcomes := f.Context(), outcome.New(f.stores["worker"])
	for info, err := range f.stores["gc"].List(ctx, "cache/") {
		f.must(err)
		kept := cache.New(f.stores["worker"], cache.Config{Mode: "on", MaxAge: time.Hour, MaxBytes: 1 << 20})
		kept.Forget(ctx, filepath.Base(info.Key)) // as when it is damaged
	}
	big := outcome.Data{Name: "big.csv", Bytes: bytes.Repeat([]byte("id\n1\n"), outcome.InlineLimit)}
	o := first
	o.Key.ID, o.Attempt = "e2", execution.NewAttemptID(2)
	_, err := outcomes.Commit(ctx, o, []outcome.Data{big})
	f.must(err)
	f.work("", execution.Request{ID: "e3", Mailbox: mailbox, Config: execution.Config{Text: config},
		Inputs: []execution.Input{{SourceExecutionID: "e2", Filename: "big.csv"}}})
}

// bridge commits an end and repairs.
func (f *site) bridge() {
	ctx, objects := f.Context(), f.stores["bridge"]
	_, err := outcome.New(objects).Commit(ctx, execution.Outcome{Key: execution.Key{Mailbox: mailbox, ID: "e4", Generation: 1},
		Kind: execution.Dead, Attempt: execution.NewAttemptID(4), Executor: execution.OnLambda, Finished: time.Now()}, nil)
	f.must(err)
	r, err := reconcile.New(ctx, f.js, objects, bus.Config{AckWait: 2 * time.Second}, 24*time.Hour, "b1",
		reconcile.Config{Every: time.Second, Grace: time.Nanosecond, Window: 12 * time.Hour, List: 1000, Batch: 100})
	f.must(err)
	for range 3 { // absence is believed on the second look
		_, err = r.Sweep(ctx)
		f.must(err)
	}
}

// tracker does what operators do with the intake's role.
func (f *site) tracker(first execution.Outcome) {
	ctx, objects := f.Context(), f.stores["intake"]
	kv, err := f.js.KeyValue(ctx, bus.BucketState)
	f.must(err)
	_, err = producer.NewTracker(f.js, state.New(f.js, kv, time.Hour), objects).Status(ctx, mailbox, first.Key.ID)
	f.must(err)
	outcomes := outcome.New(objects)
	for _, id := range []string{"e1", "e2"} {
		o, err := outcomes.Last(ctx, mailbox, id)
		f.must(err)
		dir, err := os.OpenRoot(f.TempDir())
		f.must(err)
		_, err = producer.Fetch(ctx, objects, o, dir, false)
		f.must(err)
		f.must(dir.Close())
	}
	// A cancelled execution's outcome is the canceller's.
	_, err = outcomes.Commit(ctx, execution.Outcome{Key: execution.Key{Mailbox: mailbox, ID: "e5", Generation: 1},
		Kind: execution.Cancelled, Attempt: execution.NewAttemptID(5), Finished: time.Now()}, nil)
	f.must(err)
	for _, found := range doctor.New(doctor.Fleet{}).Probe(ctx, objects) {
		if found.Status == doctor.Fail || found.Check == "" && found.Status != doctor.OK {
			f.Errorf("%+v", found)
		}
	}
}

// author keeps a configuration, as `sage config` and the API do, and takes back what was
// uploaded for a request that was refused.
func (f *site) author() {
	ctx, kept := f.Context(), configurations.New(f.stores["intake"])
	_, created, _, err := kept.Put(ctx, mailbox, "ventas", []byte(config), "ana", "")
	f.must(err)
	if !created {
		f.Error("no version of the configuration was kept")
	}
	_, text, err := kept.Get(ctx, mailbox, configurations.Ref{Name: "ventas"})
	f.must(err)
	if string(text) != config {
		f.Errorf("the configuration reads %q", text)
	}
	p := producer.New(f.js, f.stores["intake"])
	uploaded, err := p.Upload(ctx, mailbox, "e6", "data.csv", strings.NewReader("id"))
	f.must(err)
	f.must(p.Discard(ctx, []execution.Input{uploaded}))
}

// notify reads what answers are made of: an end, and a result that is beside it.
func (f *site) notify(first execution.Outcome) {
	outcomes := outcome.New(f.stores["notify"])
	for _, id := range []string{"e1", "e2"} {
		o, err := outcomes.Read(f.Context(), execution.Key{Mailbox: mailbox, ID: id, Generation: 1})
		f.must(err)
		for _, file := range o.Files {
			body, err := outcomes.Open(f.Context(), o, file.Name)
			f.must(err)
			_, err = io.Copy(io.Discard, body)
			f.must(err)
			f.must(body.Close())
		}
	}
}

// erase removes an execution, after its message.
func (f *site) erase() {
	ctx := f.Context()
	f.drain(ctx)
	op, err := producer.OpenOperator(ctx, f.js, f.stores["eraser"], bus.Config{AckWait: 2 * time.Second}, time.Hour, "ana")
	f.must(err)
	for _, id := range []string{"e1", "e2", "e3"} {
		_, err = op.Erase(ctx, mailbox, id, "asked for", false)
		f.must(err)
	}
}

// drain acknowledges what is on the queue.
func (f *site) drain(ctx context.Context) {
	consumer, err := f.js.Consumer(ctx, bus.StreamExecutions, bus.ConsumerFleet)
	f.must(err)
	for {
		batch, err := consumer.Fetch(10, jetstream.FetchMaxWait(200*time.Millisecond), jetstream.FetchPriorityGroup(bus.GroupFleet))
		f.must(err)
		n := 0
		for msg := range batch.Messages() {
			f.must(msg.DoubleAck(ctx))
			n++
		}
		if n == 0 {
			return
		}
	}
}

// collect deletes what is old, which everything is.
func (f *site) collect() {
	// What an attempt left that lost, and findings.
	f.must(f.stores["worker"].Create(f.Context(), "cache/ab/abcd", []byte("x")))
	_, err := f.stores["worker"].Put(f.Context(), "attempts/"+mailbox+"/e3/1/9-lost/x", strings.NewReader("x"))
	f.must(err)
	f.intake("e4", "id\n4\n")
	c, err := retention.Open(f.Context(), f.js, f.stores["gc"], retention.Config{Rate: 1e6})
	f.must(err)
	f.drain(f.Context())
	report, err := c.Run(f.Context(), false, nil)
	f.must(err)
	if slices.Contains([]int{report.Inputs.Objects + report.Open, report.Lost.Objects, report.Cache.Objects}, 0) {
		f.Errorf("nothing to collect: %+v", report)
	}
}
