package ledger_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
)

// The view has the original's columns, with NULL for what isn't known.
func testView(t *testing.T, l *ledger.Ledger) {
	ended := life("ventas", "lunes", noon, execution.Succeeded, execution.OnLambda)
	ended[0].Data.Asked = &execution.Asked{Sender: "ana", Method: "mail", Files: []string{"Ventas.csv"}, FileCount: 1}
	record(t, l, ended...)
	record(t, l, redrive(execution.Key{Mailbox: "ventas", ID: "martes", Generation: 1}, noon.Add(time.Hour)))
	rows, err := l.Rows(t.Context(), `SELECT execution_id, generation, casilla_id, emisor_id, metodo_envio, archivos, state, status, code, reason,
		created_at, start_time, end_time, CAST(duration AS DOUBLE PRECISION), total_records, errors, warnings, executor, host, attempts, cost_usd FROM executions ORDER BY execution_id, generation`)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"lunes", "1", "ventas", "ana", "mail", `["Ventas.csv"]`, "SUCCEEDED", "Parcial", "", "",
			"2026-11-23T12:00:00.000Z", "2026-11-23T12:00:02.000Z", "2026-11-23T12:00:03.000Z", "1", "10", "2", "1", "lambda", "host-1", "1", "1e-05"},
		{"martes", "2", "ventas", "", "", "[]", "ACCEPTED", "", "", "the file came late",
			"2026-11-23T13:00:00.000Z", "<nil>", "<nil>", "<nil>", "0", "0", "0", "", "", "0", "0"},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What README suggests to ask can be asked.
func testQuestions(t *testing.T, l *ledger.Ledger) {
	record(t, l, life("ventas", "lunes", time.Now().Add(-time.Hour), execution.Succeeded, execution.OnLambda)...)
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	about := ""
	for paragraph := range strings.SplitSeq(string(text), "\n\n") {
		if !strings.HasPrefix(paragraph, "    SELECT") {
			about = paragraph
			continue
		}
		if strings.Contains(about, "(PostgreSQL)") && !l.Postgres() || strings.Contains(about, "(SQLite)") && l.Postgres() {
			continue
		}
		asked++
		if rows, err := l.Rows(t.Context(), paragraph); err != nil || len(rows) == 0 || len(rows[0]) == 0 {
			t.Errorf("%s\nsays %v, %v", paragraph, rows, err)
		}
	}
	if asked != 3 {
		t.Errorf("%d questions were asked, want 3", asked)
	}
}
