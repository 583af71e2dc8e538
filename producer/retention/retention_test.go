package retention_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer/retention"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

// past is a configuration under which everything is old, young one under which
// nothing is.
var (
	past  = retention.Config{Inputs: 1, Attempts: 1, Lost: 1, Cache: 1, Rate: 1e6}
	young = retention.Config{Inputs: time.Hour, Attempts: time.Hour, Lost: time.Hour, Cache: time.Hour, Rate: 1e6}
)

func put(t *testing.T, objects storage.Store, key, data string) {
	t.Helper()
	if _, err := objects.Put(t.Context(), key, strings.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

func request(id string) execution.Request {
	return execution.Request{ID: id, Mailbox: "ventas", Config: execution.Config{Text: "x"},
		Inputs: []execution.Input{{URI: "u", Filename: "a.csv"}}}
}

// submitted stores what a submission does: two files and the request.
func submitted(t *testing.T, objects storage.Store, id string) {
	t.Helper()
	data, err := json.Marshal(request(id))
	if err != nil {
		t.Fatal(err)
	}
	put(t, objects, intake.RequestKey("ventas", id), string(data))
	put(t, objects, intake.Prefix("ventas", id)+"/aaaa", "12345")
	put(t, objects, intake.Prefix("ventas", id)+"/zzzz", "12345")
}

// commit commits an outcome with one file too large to lie inside.
func commit(t *testing.T, objects storage.Store, id string, kind execution.Kind) execution.Outcome {
	t.Helper()
	o := execution.Outcome{Key: request(id).Key(), Kind: kind, Attempt: execution.NewAttemptID(7), Number: 1,
		Executor: execution.OnWorker, RequestDigest: request(id).Digest(), Finished: time.Now().UTC()}
	if kind == execution.Dead {
		o.Fault = fault.New("CSV_QUOTE", "a quote is never closed")
	}
	o, err := outcome.New(objects).Commit(t.Context(), o, []outcome.Data{{Name: "big", Bytes: bytes.Repeat([]byte("x"), outcome.InlineLimit+1)}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func list(t *testing.T, objects storage.Store) (keys []string) {
	t.Helper()
	for info, err := range objects.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func collect(t *testing.T, js jetstream.JetStream, objects storage.Store, cfg retention.Config, dryRun bool) (retention.Report, error) {
	t.Helper()
	time.Sleep(2 * time.Millisecond) // older than past's
	c, err := retention.Open(t.Context(), js, objects, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c.Run(t.Context(), dryRun, nil)
}

func TestCollect(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, objects storage.Store) {
		js := bustest.Start(t)
		kv, err := js.KeyValue(t.Context(), bus.BucketState)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"ended", "open", "redriven"} {
			submitted(t, objects, id)
		}
		won := commit(t, objects, "ended", execution.Succeeded)
		dead := commit(t, objects, "redriven", execution.Dead)
		second := dead.Key
		second.Generation = 2
		if _, err := state.New(js, kv, time.Hour).Save(t.Context(), state.Record{Key: second, State: execution.Running}, 0); err != nil {
			t.Fatal(err)
		}
		lost := outcome.AttemptPrefix(won.Key, "6-LOST") + "/big"
		running := outcome.AttemptPrefix(request("open").Key(), "5-RUNS") + "/big"
		put(t, objects, lost, "123")
		put(t, objects, running, "123")
		put(t, objects, "cache/ab/cd", "1234")
		put(t, objects, "inputs/ventas/martes.csv", "a person's own")
		all := list(t, objects)

		dry, err := collect(t, js, objects, past, true)
		if err != nil || !slices.Equal(list(t, objects), all) {
			t.Errorf("the dry run left %q, %v", list(t, objects), err)
		}
		if r, err := collect(t, js, objects, young, false); err != nil || !slices.Equal(list(t, objects), all) {
			t.Errorf("%+v of what is young, %v", r, err)
		}
		r, err := collect(t, js, objects, past, false)
		if err != nil {
			t.Fatal(err)
		}
		want := retention.Report{Inputs: retention.Freed{Objects: 3, Bytes: r.Inputs.Bytes}, Lost: retention.Freed{Objects: 1, Bytes: 3},
			Attempts: retention.Freed{Objects: 2, Bytes: 2 * (outcome.InlineLimit + 1)}, Cache: retention.Freed{Objects: 1, Bytes: 4},
			Listed: r.Listed, Open: 2}
		if r != want {
			t.Errorf("reported %+v, want %+v", r, want)
		}
		if want.DryRun = true; dry != want {
			t.Errorf("the dry run reported %+v", dry)
		}
		gone := append([]string{lost, won.Files[0].Key, dead.Files[0].Key, "cache/ab/cd"}, under(all, intake.Prefix("ventas", "ended")+"/")...)
		left := slices.DeleteFunc(slices.Clone(all), func(key string) bool { return slices.Contains(gone, key) })
		if got := list(t, objects); !slices.Equal(got, left) {
			t.Errorf("left %q\nwant %q", got, left)
		}
		if r, err := collect(t, js, objects, past, false); err != nil || r.Inputs.Objects+r.Lost.Objects+r.Attempts.Objects+r.Cache.Objects != 0 {
			t.Errorf("again: %+v, %v", r, err)
		}
	})
}

// What an execution that has not ended takes files from is kept until it has, and so is
// what that one took them from.
func TestWhatOthersTakeFilesFromIsKept(t *testing.T) {
	t.Parallel()
	const onNone = "" // stored, and not published yet
	for _, stream := range []string{bus.StreamExecutions, bus.StreamLater, onNone} {
		server, security := bustest.RunSecured(t, map[string][]string{"ventas": {"ventas"}})
		as := func(i bus.Identity) jetstream.JetStream { return security.Connect(t, server, i) }
		if err := bus.Provision(t.Context(), as(bus.IdentityAdmin), server.Config); err != nil {
			t.Fatal(err)
		}
		gc, js := as(bus.IdentityGC), as(bus.IdentityBridge)
		objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"source", "origin", "other"} {
			submitted(t, objects, id)
		}
		commit(t, objects, "origin", execution.Succeeded)
		commit(t, objects, "other", execution.Succeeded)
		o := execution.Outcome{Key: request("source").Key(), Kind: execution.Succeeded, Attempt: execution.NewAttemptID(7), Number: 1,
			Finished: time.Now().UTC(), Inputs: []execution.File{{Name: "a.csv", Source: storage.Join(objects.URL(), intake.Prefix("ventas", "origin")) + "/aaaa"}}}
		if _, err := outcome.New(objects).Commit(t.Context(), o, []outcome.Data{{Name: "big", Bytes: bytes.Repeat([]byte("x"), outcome.InlineLimit+1)}}); err != nil {
			t.Fatal(err)
		}
		waits := request("open")
		waits.Inputs = []execution.Input{{SourceExecutionID: "source", Filename: "a.csv"}}
		data, err := json.Marshal(waits)
		if err != nil {
			t.Fatal(err)
		}
		subject := bus.SubjectExec("ventas", "open")
		if stream == bus.StreamLater {
			subject = bus.SubjectLater(waits.Key())
		}
		if stream == onNone {
			put(t, objects, intake.RequestKey("ventas", "open"), string(data))
		} else if _, err := js.Publish(t.Context(), subject, data); err != nil {
			t.Fatal(err)
		}
		r, err := collect(t, gc, objects, past, false)
		left := list(t, objects)
		kept := len(under(left, intake.Prefix("ventas", "source")+"/")) == 3 && len(under(left, intake.Prefix("ventas", "origin")+"/")) == 3 &&
			len(under(left, outcome.AttemptPrefix(o.Key, o.Attempt))) == 1
		if err != nil || !kept || len(under(left, intake.Prefix("ventas", "other")+"/")) != 0 || r.Named < 7 {
			t.Errorf("%s: left %q, reported %+v, %v", stream, left, r, err)
		}
		commit(t, objects, "open", execution.Succeeded)
		if stream != onNone {
			s, err := js.Stream(t.Context(), stream)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.DeleteMsg(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		if r, err = collect(t, gc, objects, past, false); err != nil || r.Named != 0 || len(under(list(t, objects), intake.Root)) != 0 {
			t.Errorf("%s: it has ended; left %q, reported %+v, %v", stream, list(t, objects), r, err)
		}
	}
}

func under(keys []string, prefix string) (found []string) {
	for _, key := range keys {
		if strings.HasPrefix(key, prefix) {
			found = append(found, key)
		}
	}
	return found
}

// stopping is a store that fails after a number of deletions.
type stopping struct {
	storage.Store
	left int
}

var errStopped = errors.New("stopped")

func (s *stopping) Delete(ctx context.Context, key string) error {
	if s.left--; s.left < 0 {
		return errStopped
	}
	return s.Store.Delete(ctx, key)
}

// Wherever it is interrupted, no request is left whose files are gone, and the next
// run goes on.
func TestInterruptedRunIsResumed(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	for after := range 4 {
		objects := storagetest.Dir(t)
		submitted(t, objects, "e1")
		commit(t, objects, "e1", execution.Succeeded)
		if r, err := collect(t, js, &stopping{objects, after}, past, false); !errors.Is(err, errStopped) || r.Inputs.Objects+r.Attempts.Objects != after {
			t.Errorf("after %d: %+v, %v", after, r, err)
		}
		inputs := under(list(t, objects), intake.Root)
		if slices.Contains(inputs, intake.RequestKey("ventas", "e1")) && len(inputs) != 3 {
			t.Errorf("after %d: left %q", after, inputs)
		}
		if _, err := collect(t, js, objects, past, false); err != nil || len(list(t, objects)) != 1 {
			t.Errorf("after %d: then left %q, %v", after, list(t, objects), err)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*retention.Config){
		"RETAIN_INPUTS":   func(c *retention.Config) { c.Inputs = 0 },
		"RETAIN_ATTEMPTS": func(c *retention.Config) { c.Attempts = -1 },
		"RETAIN_CACHE":    func(c *retention.Config) { c.Cache = 0 },
		"RETAIN_LOST":     func(c *retention.Config) { c.Lost = time.Minute },
		"RETAIN_RATE":     func(c *retention.Config) { c.Rate = 0 },
	} {
		c := young
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := young.Validate(); err != nil {
		t.Error(err)
	}
}
