package ledger_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/ledger/ledgertest"
)

var (
	size  = flag.Int("executions", 25_000, "how many executions the lists are tried with")
	limit = flag.Duration("p99", 0, "how long 99 % of the lists of each kind may take at most; 0 is as long as they like")
)

func TestListsInSQLite(t *testing.T) {
	t.Parallel()
	testLists(t, openSQLite(t))
}

func TestListsInPostgres(t *testing.T) {
	t.Parallel()
	testLists(t, open(t, ledgertest.Postgres(t).URL()))
}

// lists are the filters that people use, and some that find little or nothing.
func lists(n int) map[string]ledger.Filter {
	rare, no := []execution.State{"CANCELLED"}, []string{"mailbox-x"}
	last := noon.Add(time.Duration(n) * time.Second)
	return map[string]ledger.Filter{
		"all":                           {},
		"a mailbox":                     {Mailboxes: []string{"mailbox-3"}},
		"a mailbox without any":         {Mailboxes: no},
		"mailboxes":                     {Mailboxes: []string{"mailbox-1", "mailbox-2", "mailbox-x"}},
		"a state":                       {States: []execution.State{"SUCCEEDED"}},
		"a rare state":                  {States: rare},
		"two states":                    {States: []execution.State{"DEAD", "CANCELLED"}},
		"an executor":                   {Executor: "lambda"},
		"a mailbox and a rare state":    {Mailboxes: []string{"mailbox-3"}, States: rare},
		"a mailbox and an executor":     {Mailboxes: []string{"mailbox-3"}, Executor: "operator"},
		"a state and an executor":       {States: []execution.State{"DEAD"}, Executor: "lambda"},
		"a time":                        {From: noon.Add(time.Hour), To: noon.Add(2 * time.Hour)},
		"lately":                        {From: last.Add(-time.Hour)},
		"a mailbox, a state and a time": {Mailboxes: []string{"mailbox-3"}, States: []execution.State{"DEAD"}, From: noon, To: noon.Add(time.Hour)},
		"one id":                        {Prefix: "E-0000123"},
		"some ids":                      {Prefix: "e-00001"},
		"all ids":                       {Prefix: "e-"},
		"a file":                        {Prefix: "Ventas-77.CSV"},
		"files of a mailbox":            {Prefix: "ventas-7", Mailboxes: []string{"mailbox-3"}},
		"what nothing begins with":      {Prefix: "zzz"},
		"a prefix and a rare state":     {Prefix: "e-0000", States: rare, Executor: "operator"},
	}
}

// No list reads the whole table, and each is read to where it ends.
func testLists(t *testing.T, l *ledger.Ledger) {
	began := time.Now()
	if err := l.Fill(t.Context(), *size, noon); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d executions written in %v", *size, time.Since(began).Round(time.Millisecond))
	for name, f := range lists(*size) {
		t.Run(name, func(t *testing.T) {
			for _, scan := range scans(t, l, f) {
				t.Errorf("reads a whole table: %s", scan)
			}
			const pages = 5
			rounds := 1
			if *limit > 0 {
				rounds = 30
			}
			var took []time.Duration
			for range rounds {
				cursor := ""
				for range pages {
					began := time.Now()
					page, err := l.List(t.Context(), f, cursor, 50)
					if err != nil {
						t.Fatal(err)
					}
					took = append(took, time.Since(began))
					if cursor = page.Next; cursor == "" {
						break
					}
				}
			}
			slices.Sort(took)
			p99 := took[(len(took)*99+99)/100-1]
			t.Logf("p50 %v, p99 %v of %d pages", took[len(took)/2], p99, len(took))
			if *limit > 0 && p99 > *limit {
				t.Errorf("p99 %v, want %v at most", p99, *limit)
			}
		})
	}
}

// scans are the lines of the plans of a list's statements that read a whole table.
func scans(t *testing.T, l *ledger.Ledger, f ledger.Filter) []string {
	t.Helper()
	var bad []string
	for _, cursor := range []string{"", ledger.CursorAt(noon.Add(time.Hour))} {
		plans, err := l.Plans(context.WithoutCancel(t.Context()), f, cursor, 50)
		if err != nil {
			t.Fatal(err)
		}
		if len(plans) == 0 {
			t.Fatal("no plan was seen")
		}
		for _, line := range plans {
			line = strings.TrimSpace(line)
			for _, table := range []string{"execution", "term"} {
				if strings.Contains(line, "Seq Scan on "+table) || strings.HasPrefix(line, "SCAN "+table) && !strings.Contains(line, "INDEX") {
					bad = append(bad, fmt.Sprintf("%s (cursor %q)", line, cursor))
				}
			}
		}
	}
	return bad
}
