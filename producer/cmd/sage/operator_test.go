package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/producer"
)

// dies submits a file that no report can be made of, and waits for its dead letter.
func (f testFleet) dies(t *testing.T, id string) {
	t.Helper()
	f.sage(t, exitDead, "submit", goodConfig, file(t, "broken.csv", csvData), "--id", id, "--wait")
	f.letter(t, id, 1)
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t)
	f.dies(t, "e1")
	f.dies(t, "e2")
	f.sage(t, exitOK, "submit", goodConfig, file(t, "clean.csv", csvData), "--id", "clean", "--wait")
	redrive := func(want int, args ...string) result {
		return f.sage(t, want, append([]string{"redrive", "--by", "ana"}, args...)...)
	}
	results := []result{redrive(exitOK, "e1", "--dry-run"), redrive(exitOK, "e1", "--reason", "the engine was mended")}
	f.sage(t, exitDead, "wait", "e1")
	results = append(results, f.sage(t, exitOK, "status", "e1"), redrive(exitOK, "e1", "--from", "1"), redrive(exitRefused, "clean"), redrive(exitFailed, "none"),
		redrive(exitOK, "--all", "--since", "1h", "--code", "OTHER"), redrive(exitFailed), redrive(exitFailed, "e1", "--all"), redrive(exitFailed, "e1", "--since", "soon"))
	compare(t, "redrive.golden", results...)
	r := redrive(exitOK, "--all", "--json")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var d producer.Redriven
	if err := json.Unmarshal([]byte(lines[0]), &d); err != nil || d.ID != "e2" || d.Generation != 2 || len(lines) != 2 {
		t.Errorf("printed %q (%v), want generation 2 of e2 and generation 3 of e1", r.stdout, err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.sage(t, exitOK, "submit", goodConfig, file(t, "clean.csv", csvData), "--id", "e1")
	cancel := func(want int, args ...string) result {
		return f.sage(t, want, append([]string{"cancel", "--by", "ana"}, args...)...)
	}
	results := []result{cancel(exitOK, "e1", "--dry-run"), cancel(exitOK, "e1", "--reason", "sent twice"), cancel(exitOK, "e1"),
		f.sage(t, exitOK, "status", "e1"), f.sage(t, exitDead, "wait", "e1"), cancel(exitFailed, "none")}
	f.work(t)
	f.sage(t, exitOK, "submit", goodConfig, file(t, "clean.csv", csvData), "--id", "e2", "--wait")
	results = append(results, cancel(exitRefused, "e2"))
	compare(t, "cancel.golden", results...)
	r := cancel(exitRefused, "e2", "--json")
	var c producer.Cancelled
	if err := json.Unmarshal([]byte(r.stdout), &c); err != nil || c.State != "SUCCEEDED" || !c.Already {
		t.Errorf("printed %q: %v", r.stdout, err)
	}
}

func TestWaitFollowsTheNewestGeneration(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.sage(t, exitFailed, "wait", "e1")
	f.work(t)
	f.dies(t, "e1")
	f.sage(t, exitOK, "redrive", "e1")
	for _, args := range [][]string{{"wait", "e1", "--json"}, {"submit", goodConfig, file(t, "broken.csv", csvData), "--id", "e1", "--wait", "--json"}} {
		r := f.sage(t, exitDead, args...)
		var s producer.Status
		if err := json.Unmarshal([]byte(r.stdout), &s); err != nil || s.Generation != 2 || s.State != "DEAD" {
			t.Errorf("%s printed %q: %v", args[0], r.stdout, err)
		}
	}
}
