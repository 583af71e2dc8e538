package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// viewed are the events of views in mailbox general.
func (f testFleet) viewed(t *testing.T) (all []execution.Event) {
	t.Helper()
	err := bus.Scan(t.Context(), f.js, bus.StreamEvents, bus.Scope{Subject: bus.SubjectEvent("general", execution.EventViewed)}, func(msg *jetstream.RawStreamMsg) error {
		var e execution.Event
		all = append(all, e)
		return json.Unmarshal(msg.Data, &all[len(all)-1])
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Whoever sees a customer's data is told of: files that are fetched, letters that are
// shown and exported. What is refused names no execution.
func TestViewsAreTold(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t)
	f.dies(t, "e1")
	f.refuse(t, "hola")
	f.sage(t, exitOK, "submit", goodConfig, file(t, "clean.csv", csvData), "--id", "e2", "--wait")
	for i, args := range [][]string{{"fetch", "e2", "--to", t.TempDir()}, {"dead", "show", "e1"}, {"dead", "export"}, {"dead", "export", "--to", t.TempDir()}} {
		f.sage(t, exitOK, args...)
		views := f.viewed(t)
		if len(views) != i+1 {
			t.Fatalf("%d views after %q", len(views), args)
		}
		last, id := views[i], "e1"
		if i == 0 {
			id = "e2"
		}
		if last.Data.ID != id || !strings.HasPrefix(last.Source, "/operator/") || last.Data.Reason == "" {
			t.Errorf("%q is told as %+v", args, last)
		}
	}
	// Storage is read while NATS is away, and whoever reads it is told that nobody was.
	r := sage(t.Context(), "fetch", "e2", "--to", t.TempDir(), "--storage", f.objects.URL(), "--nats", "nats://127.0.0.1:1")
	if r.code != exitOK || !strings.Contains(r.stderr, "nobody is told who fetches this") {
		t.Errorf("without NATS: %+v", r)
	}
	if r := sage(t.Context(), "fetch", "e2", "--to", t.TempDir(), "--storage", f.objects.URL()); r.code != exitOK || r.stderr != "" {
		t.Errorf("of storage alone: %+v", r)
	}
	if n := len(f.viewed(t)); n != 4 {
		t.Errorf("%d views after those", n)
	}
}
