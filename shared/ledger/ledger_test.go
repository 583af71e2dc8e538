package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/ledger/ledgertest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// life is a usual execution: begun, and ended as kind a second later.
func life(mailbox, id string, accepted time.Time, kind execution.Kind, executor string) []execution.Event {
	k := execution.Key{Mailbox: mailbox, ID: id, Generation: 1}
	started, finished := accepted.Add(2*time.Second), accepted.Add(3*time.Second)
	data := execution.EventData{Key: k, State: execution.Running, Number: 1, Token: 7, Executor: executor,
		Enqueued: accepted, Started: started}
	begun := execution.NewEvent(execution.EventStarted, "host-1", started, data)
	data.State, data.Attempt, data.Finished = kind.Terminal(), "7-A", finished
	switch kind {
	case execution.Succeeded:
		data.Summary = &execution.Summary{Status: "Parcial", Records: 10, Errors: 2, Warnings: 1}
	default:
		data.Code, data.Reason = "INPUT_MISSING", "no object"
	}
	if executor == execution.OnLambda {
		data.Usage = &execution.Usage{BilledMillis: 1000, MemoryMB: 512, CostUSD: 0.00001}
	}
	return []execution.Event{begun, execution.NewEvent(kind.EventKind(), "host-1", finished, data)}
}

func TestSQLite(t *testing.T) { t.Parallel(); testLedger(t, sqliteURL) }

func TestPostgres(t *testing.T) {
	t.Parallel()
	server := ledgertest.Postgres(t)
	// Not in parallel to its own: the server must outlive what it serves.
	t.Run("suite", func(t *testing.T) {
		testLedger(t, func(t *testing.T) string { return server.Schema(t) })
	})
	t.Run("schema", func(t *testing.T) { // of its own, twice
		for range 2 {
			testOne(t, open(t, server.URL()))
		}
	})
}

// testLedger is what every engine must do. url is that of an empty ledger.
func testLedger(t *testing.T, url func(*testing.T) string) {
	open := func(t *testing.T) *ledger.Ledger { return open(t, url(t)) }
	t.Run("rebuilt", func(t *testing.T) {
		t.Parallel()
		testRebuilt(t, open(t), func() *ledger.Ledger { return open(t) })
	})
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		testKilled(t, url(t), open(t))
	})
	tests := map[string]func(*testing.T, *ledger.Ledger){
		"one execution": testOne, "list": testList, "any order": testAnyOrder, "redriven": testRedriven, "erased": testErased,
		"projected": testProjected, "strange texts": testStrangeTexts, "waiting": testWaiting, "a stream made anew": testStreamMadeAnew,
		"a rebuild fails": testRebuildFails, "dead": testDead, "summary": testSummary, "view": testView,
		"README's questions": testQuestions,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func record(t *testing.T, l *ledger.Ledger, events ...execution.Event) {
	t.Helper()
	if err := l.Record(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
}

func testOne(t *testing.T, l *ledger.Ledger) {
	record(t, l, life("ventas", "lunes", noon, execution.Succeeded, execution.OnLambda)...)
	k := execution.Key{Mailbox: "ventas", ID: "lunes", Generation: 1}
	got, err := l.Get(t.Context(), execution.Key{Mailbox: "ventas", ID: "lunes"})
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.Execution{Key: k, State: "SUCCEEDED", Executor: "lambda", Host: "host-1", Attempts: 1,
		Accepted: noon, Began: noon.Add(2 * time.Second), Started: noon.Add(2 * time.Second), Finished: noon.Add(3 * time.Second), Updated: noon.Add(3 * time.Second),
		Status: "Parcial", Records: 10, Errors: 2, Warnings: 1, BilledMillis: 1000, CostUSD: 0.00001}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	events, err := l.Events(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || events[0].Kind != "started" || events[1].Kind != "succeeded" || events[1].Data.Usage.BilledMillis != 1000 {
		t.Errorf("events %+v", events)
	}
}

func testList(t *testing.T, l *ledger.Ledger) {
	var all []execution.Event
	const n = 60
	for i := range n {
		at := noon.Add(time.Duration(i/2) * time.Minute) // two of each time
		kind, executor := execution.Succeeded, execution.OnWorker
		if i%3 == 0 {
			kind = execution.Dead
		}
		if i%2 == 0 {
			executor = execution.OnLambda
		}
		all = append(all, life([]string{"ventas", "compras", "pagos"}[i%3], fmt.Sprintf("e-%02d", i), at, kind, executor)...)
	}
	record(t, l, all...)
	tests := map[string]struct {
		filter ledger.Filter
		want   int
	}{
		"all":               {ledger.Filter{}, n},
		"no mailbox":        {ledger.Filter{Mailboxes: []string{}}, 0},
		"mailbox":           {ledger.Filter{Mailboxes: []string{"ventas"}}, 20},
		"mailboxes":         {ledger.Filter{Mailboxes: []string{"ventas", "pagos", "ventas"}}, 40},
		"state":             {ledger.Filter{States: []execution.State{"DEAD"}}, 20},
		"states":            {ledger.Filter{States: []execution.State{"DEAD", "SUCCEEDED"}}, n},
		"executor":          {ledger.Filter{Executor: "lambda"}, 30},
		"mailbox and state": {ledger.Filter{Mailboxes: []string{"compras"}, States: []execution.State{"DEAD"}}, 0},
		"all of it":         {ledger.Filter{Mailboxes: []string{"ventas"}, States: []execution.State{"DEAD"}, Executor: "lambda"}, 10},
		"time":              {ledger.Filter{From: noon.Add(10 * time.Minute), To: noon.Add(20 * time.Minute)}, 20},
		"id":                {ledger.Filter{Prefix: "E-1"}, 10},
		"id and mailbox":    {ledger.Filter{Prefix: "e-", Mailboxes: []string{"ventas"}, States: []execution.State{"DEAD"}, Executor: "worker"}, 10},
	}
	for _, tt := range []struct{ limit, want int }{{n + 10, 20}, {7, 7}} {
		newest, err := l.Newest(t.Context(), ledger.Filter{Mailboxes: []string{"ventas"}, States: []execution.State{"DEAD", "SUCCEEDED"}}, tt.limit)
		if err != nil || len(newest) != tt.want || newest[0].ID != "e-57" {
			t.Errorf("the newest %d: %d, %v", tt.limit, len(newest), err)
		}
	}
	if none, err := l.Newest(t.Context(), ledger.Filter{Mailboxes: []string{}}, n); err != nil || len(none) != 0 {
		t.Errorf("of no mailbox: %d, %v", len(none), err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			seen := map[execution.Key]bool{}
			var before ledger.Execution
			for cursor := ""; ; {
				page, err := l.List(t.Context(), tt.filter, cursor, 7)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page.Executions {
					if seen[e.Key] {
						t.Errorf("%s twice", e.Key)
					}
					seen[e.Key] = true
					if !before.Accepted.IsZero() && e.Accepted.After(before.Accepted) {
						t.Errorf("%s of %v comes after %v", e.Key, e.Accepted, before.Accepted)
					}
					before = e
				}
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			if len(seen) != tt.want {
				t.Errorf("%d executions, want %d", len(seen), tt.want)
			}
		})
	}
}
