package main

import (
	"encoding/json"
	"regexp"
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
	results := []result{f.sage(t, exitOK, "admin", "gc", "--dry-run"), f.sage(t, exitOK, "status", "e1"), f.sage(t, exitOK, "admin", "gc")}
	for i := range results { // the request names the test's folder, whose name is of chance's length
		results[i].stdout = regexp.MustCompile(`2 objects, 7\d\d B`).ReplaceAllString(results[i].stdout, "2 objects, 7xx B")
	}
	compare(t, "gc.golden", results...)
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
