package alarms_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer/alarms"
	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/notify/notifytest"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// heard is one post that a receiver got.
type heard struct {
	id  string
	raw []byte
	alarms.Alarm
}

// receiver is the operators' webhook.
type receiver struct {
	*notifytest.Hook
	t *testing.T
}

func receive(t *testing.T) *receiver { return &receiver{notifytest.Webhook(t), t} }

// all are those that were heard, of a kind if it isn't empty.
func (r *receiver) all(kind string) (all []heard) {
	for _, p := range r.Posts() {
		h := heard{id: p.ID, raw: p.Body}
		if err := json.Unmarshal(p.Body, &h.Alarm); err != nil {
			r.t.Errorf("heard %s: %v", p.Body, err)
		}
		if kind == "" || h.Type == "alarm."+kind {
			all = append(all, h)
		}
	}
	return all
}

type fleet struct {
	js     jetstream.JetStream
	mail   *notifytest.Server
	cfg    alarms.Config
	budget func(context.Context) ([]alarms.Limit, error)
}

// newFleet has no rule but those given.
func newFleet(t *testing.T, channels, rules string) *fleet {
	t.Helper()
	f := &fleet{js: bustest.Start(t), mail: notifytest.Mail(t)}
	f.cfg = alarms.Config{File: filepath.Join(t.TempDir(), "alarms.yaml"), Every: 100 * time.Millisecond, Patience: time.Hour, Notify: f.mail.Config()}
	f.cfg.Notify.Private = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	file := "language: en\nconsole: https://sage.example.com\nchannels: " + channels + "\nrules: " + rules + "\n"
	if err := os.WriteFile(f.cfg.File, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func webhook(r *receiver, more string) string {
	return fmt.Sprintf("{ops: {webhook: {url: %q, secret: %s}%s}}", r.URL, notifytest.HookSecret, more)
}

// only has all rules off but one.
func only(rule, how string) string {
	text := "{"
	for name := range alarms.Defaults {
		if name != rule {
			text += name + ": {off: true}, "
		}
	}
	return text + rule + ": {" + how + "}}"
}

// alarm runs an Alarms until stop is called, or the test ends.
func (f *fleet) alarm(t *testing.T, host string) (stop func()) {
	t.Helper()
	book, err := notices.Open(t.Context(), f.js, 3*time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := alarms.Open(t.Context(), f.js, book, host, f.budget, f.cfg, f.mail.Trust())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// leads waits until somebody does, and has noted where in a stream he begins.
func (f *fleet) leads(t *testing.T, stream string) {
	t.Helper()
	kv := f.bucket(t, bus.BucketNotices)
	eventually(t, "somebody leads", func() bool {
		_, err := kv.Get(t.Context(), "place."+stream)
		return err == nil
	})
}

func (f *fleet) bucket(t *testing.T, name string) jetstream.KeyValue {
	t.Helper()
	kv, err := f.js.KeyValue(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func key(mailbox, id string) execution.Key {
	return execution.Key{Mailbox: mailbox, ID: id, Generation: 1}
}

// bury leaves a dead letter.
func (f *fleet) bury(t *testing.T, k execution.Key, code fault.Code) {
	t.Helper()
	o := execution.Outcome{Key: k, Kind: execution.Dead, Number: 1, Fault: fault.New(code, "of a test")}
	if err := queue.Bury(t.Context(), f.js, o, nil); err != nil {
		t.Fatal(err)
	}
}

// end tells that an execution ended, late by so much if that is positive.
func (f *fleet) end(t *testing.T, k execution.Key, late time.Duration) {
	t.Helper()
	now := time.Now().UTC()
	data := execution.EventData{Key: k, State: execution.Succeeded.Terminal(), Finished: now, Asked: &execution.Asked{Deadline: now.Add(-late)}}
	if err := event.New(f.js, bus.SubjectEvent).Publish(execution.EventSucceeded, execution.NewEvent(execution.EventSucceeded, "host", now, data))(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// quiet waits until nothing more is heard for a while.
func (r *receiver) quiet() {
	for before := -1; ; time.Sleep(time.Second) {
		n := len(r.all(""))
		if n == before {
			return
		}
		before = n
	}
}

func subjects(all []heard) (names []string) {
	for _, h := range all {
		names = append(names, h.Subject)
	}
	slices.Sort(names)
	return names
}
