package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/queue"
)

func TestErase(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.sage(t, exitOK, "submit", goodConfig, file(t, "a.csv", csvData), "--id", "e1")
	erase := func(want int, args ...string) result {
		return f.sage(t, want, append([]string{"erase", "--by", "ana"}, args...)...)
	}
	results := []result{erase(exitRefused, "e1")}
	f.work(t)
	f.sage(t, exitOK, "wait", "e1")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) { // until it is settled
		b, err := queue.Lag(t.Context(), f.js)
		if err == nil && b == (queue.Backlog{}) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, %v", b, err)
		}
	}
	results = append(results, erase(exitOK, "e1", "--dry-run"), erase(exitOK, "e1", "--reason", "request 118"), erase(exitOK, "e1"),
		f.sage(t, exitOK, "status", "e1"), f.sage(t, exitFailed, "fetch", "e1", "--to", t.TempDir()), erase(exitFailed, "none"))
	compare(t, "erase.golden", results...)
	r := erase(exitOK, "e1", "--json")
	var e producer.Erased
	if err := json.Unmarshal([]byte(r.stdout), &e); err != nil || !e.Already || e.By.Reason != "request 118" {
		t.Errorf("printed %q: %v", r.stdout, err)
	}
}
