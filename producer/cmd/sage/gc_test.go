package main

import (
	"encoding/json"
	"testing"

	"github.com/sagefleet/sagefleet/producer/retention"
)

func TestGC(t *testing.T) {
	for name, value := range map[string]string{"RETAIN_INPUTS": "1ms", "RETAIN_ATTEMPTS": "1ms"} {
		t.Setenv(name, value)
	}
	f := newFleet(t)
	f.work(t)
	f.sage(t, exitOK, "submit", goodConfig, file(t, "a.csv", csvData), "--id", "e1", "--wait")
	compare(t, "gc.golden", f.sage(t, exitOK, "admin", "gc", "--dry-run"), f.sage(t, exitOK, "status", "e1"), f.sage(t, exitOK, "admin", "gc"))
	r := f.sage(t, exitOK, "admin", "gc", "--json")
	var report retention.Report
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || report.Inputs.Objects != 0 || report.Listed != 0 {
		t.Errorf("printed %q: %v", r.stdout, err)
	}
	t.Setenv("RETAIN_LOST", "1s")
	if r := f.sage(t, exitFailed, "admin", "gc"); r.stdout != "" {
		t.Errorf("printed %q", r.stdout)
	}
}
