package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
)

// remembered fills the ledger of LEDGER_URL with one execution of each kind.
func remembered(t *testing.T) {
	t.Helper()
	url := "sqlite://" + filepath.ToSlash(filepath.Join(t.TempDir(), "history"))
	t.Setenv("LEDGER_URL", url)
	l, err := ledger.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tell := func(minute int, kind, mailbox, id string, generation int, d execution.EventData) {
		t.Helper()
		d.Key = execution.Key{Mailbox: mailbox, ID: id, Generation: generation}
		d.Enqueued = noon.Add(time.Duration(minute) * time.Minute)
		if err := l.Record(t.Context(), execution.NewEvent(kind, "host-1", d.Enqueued.Add(time.Second), d)); err != nil {
			t.Fatal(err)
		}
	}
	tell(0, execution.EventSucceeded, "ventas", "lunes", 1, execution.EventData{State: "SUCCEEDED", Executor: "worker",
		Summary: &execution.Summary{Status: "Parcial", Records: 10, Errors: 2, Warnings: 1}, Asked: &execution.Asked{Files: []string{"Ventas.csv"}, FileCount: 3}})
	tell(1, execution.EventDead, "ventas", "martes", 1, execution.EventData{State: "DEAD", Executor: "lambda", Code: "INPUT_MISSING"})
	tell(2, execution.EventRedriven, "ventas", "martes", 2, execution.EventData{State: "ACCEPTED", From: 1})
	tell(7, execution.EventDead, "ventas", "jueves", 1, execution.EventData{State: "DEAD", Executor: "lambda", Code: "INPUT_MISSING", Reason: "no object \x1b[31m " + strings.Repeat("x", 200)})
	tell(3, execution.EventCancelled, "compras", "uno", 1, execution.EventData{State: "CANCELLED", Executor: "operator", Code: "CANCELLED", Reason: "sent twice"})
	tell(4, execution.EventStarted, "compras", "dos", 1, execution.EventData{State: "RUNNING", Executor: "worker", Number: 1})
	tell(5, execution.EventSucceeded, "compras", "tres", 1, execution.EventData{State: "SUCCEEDED", Executor: "worker", Summary: &execution.Summary{Records: 1}})
	tell(6, execution.EventErased, "compras", "tres", 1, execution.EventData{State: "SUCCEEDED", Executor: "operator"})
}

// TestList looks at what a person sees, and goes through the pages.
func TestList(t *testing.T) {
	remembered(t)
	list := func(want int, args ...string) result {
		t.Helper()
		r := sage(t.Context(), append([]string{"list"}, args...)...)
		if r.code != want {
			t.Errorf("sage list %v: exit code %d, want %d: %s", args, r.code, want, r.stderr)
		}
		return r
	}
	results := []result{list(exitOK), list(exitOK, "VENTAS.C"), list(exitOK, "--state", "dead,cancelled", "--mailbox", "ventas", "--mailbox", "compras"),
		list(exitOK, "--executor", "lambda", "--since", "2026-11-23T12:01:00Z", "--until", "2026-11-23T12:02:00Z"), list(exitOK, "nobody")}
	for _, args := range [][]string{{"--state", "happy"}, {"--executor", "toaster"}, {"--mailbox", "a b"}, {"--limit", "-1"}, {"--since", "yesterday"}, {"--after", "x"}} {
		results = append(results, list(exitFailed, args...))
	}
	compare(t, "list.golden", results...)

	again := regexp.MustCompile(`--after (\S+)`)
	all, after := "", ""
	for n := 0; ; n++ {
		r := list(exitOK, "--limit", "2", "--after", after)
		all += r.stdout
		next := again.FindStringSubmatch(r.stderr)
		if next == nil || n > 5 {
			break
		}
		after = next[1]
	}
	if whole := list(exitOK, "--limit", "0").stdout; all != whole || strings.Count(all, "\n") != 7 {
		t.Errorf("page by page:\n%s\nat once:\n%s", all, whole)
	}
	for line := range strings.Lines(list(exitOK, "--json").stdout) {
		var e ledger.Execution
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.ID == "" || e.State == "" {
			t.Errorf("%s: %v", line, err)
		}
	}
	t.Setenv("LEDGER_URL", "sqlite://"+filepath.ToSlash(filepath.Join(t.TempDir(), "empty")))
	if r := list(exitOK); r.stdout != "" || !strings.Contains(r.stderr, "sage serve") {
		t.Errorf("an empty ledger: %+v", r)
	}
}
