package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	data := file(t, "clean.csv", csvData)
	f.sage(t, exitOK, "submit", goodConfig, data, "--id", "e1", "--mailbox", "ventas")
	known := file(t, "known.txt", "ventas:e1\n\nventas:e1:1\n")
	r := f.sage(t, exitOK, "verify", "--accepted", known)
	r.args = []string{"verify", "--accepted", "known.txt"}
	results := []result{r}
	f.sage(t, exitViolated, "verify", "--ended")
	f.sage(t, exitOK, "verify", "--ended", "--mailbox", "pagos")
	f.sage(t, exitFailed, "verify", "--accepted", file(t, "wrong.txt", "ventas\n"))

	// An end that nobody told.
	if _, err := outcome.New(f.objects).Commit(t.Context(), execution.Outcome{Key: execution.Key{Mailbox: "pagos", ID: "e2", Generation: 2},
		Kind: execution.Succeeded, Attempt: "7-a", Executor: execution.OnWorker, Finished: time.Now().Add(-time.Hour)}, nil); err != nil {
		t.Fatal(err)
	}
	lost := file(t, "lost.txt", "ventas:e9\n")
	r = f.sage(t, exitViolated, "verify", "--accepted", lost)
	r.args = []string{"verify", "--accepted", "lost.txt"}
	compare(t, "verify.golden", append(results, r)...)

	var report history.Report
	r = f.sage(t, exitViolated, "verify", "--accepted", lost, "--json")
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || report.Lost != 1 || report.Violations[history.OneRedrive] != 1 {
		t.Errorf("printed %q: %v", r.stdout, err)
	}
	f.sage(t, exitOK, "verify", "--since", "10m", "--mailbox", "pagos")
}
