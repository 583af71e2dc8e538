package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// Fill writes n executions, one accepted each second from from on.
func (l *Ledger) Fill(ctx context.Context, n int, from time.Time) error {
	const some = 2000
	for first := 0; first < n; first += some {
		err := l.write(ctx, standing, func(w writer) error {
			var rows, terms [][]any
			for i := first; i < min(first+some, n); i++ {
				e := made(i, from)
				rows = append(rows, e.values())
				for _, term := range e.terms() {
					terms = append(terms, []any{term, tie(e.Key), micros(e.Accepted), e.Mailbox, string(e.State), e.Executor})
				}
			}
			if err := w.insert(ctx, "execution ("+columns+")", rows, ""); err != nil {
				return err
			}
			return w.insert(ctx, "term (term, tie, accepted_us, mailbox, state, executor)", terms, "")
		})
		if err != nil {
			return err
		}
	}
	_, err := l.db.ExecContext(ctx, "ANALYZE")
	return err
}

func made(i int, from time.Time) Execution {
	at := from.Add(time.Duration(i) * time.Second)
	e := Execution{Key: execution.Key{Mailbox: fmt.Sprintf("mailbox-%d", i%7), ID: fmt.Sprintf("e-%07d", i), Generation: 1},
		State: execution.Succeeded.Terminal(), Executor: execution.OnWorker, Host: "host-1", Attempts: 1,
		Accepted: at, Began: at.Add(time.Second), Started: at.Add(time.Second), Finished: at.Add(2 * time.Second), Updated: at.Add(2 * time.Second),
		Files: []string{fmt.Sprintf("Ventas-%d.csv", i%1000)}, FileCount: 1, Bytes: 1000, Status: "Parcial", Records: 10, Errors: 1}
	switch {
	case i%1000 == 17:
		e.State, e.Executor = execution.Cancelled.Terminal(), execution.ByOperator
	case i%50 == 3:
		e.State, e.Code = execution.Dead.Terminal(), "INPUT_MISSING"
	case i%3 == 0:
		e.Executor, e.CostUSD = execution.OnLambda, 0.0001
	}
	return e
}

// CursorAt is a cursor behind what was accepted at at.
func CursorAt(at time.Time) string { return place{micros(at), 0}.String() }

// Plans are the lines of how the database reads a list.
func (l *Ledger) Plans(ctx context.Context, f Filter, cursor string, limit int) ([]string, error) {
	explain := "EXPLAIN QUERY PLAN "
	if l.postgres {
		explain = "EXPLAIN "
	}
	from, after := place{}, cursor != ""
	if after {
		var err error
		if from, err = parsePlace(cursor); err != nil {
			return nil, err
		}
	}
	var lines []string
	add := func(statement string, args []any) error {
		rows, err := l.db.QueryContext(ctx, l.rebind(explain+statement), args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var line string
			into := []any{new(sql.RawBytes), new(sql.RawBytes), new(sql.RawBytes), &line}
			if l.postgres {
				into = []any{&line}
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			lines = append(lines, line)
		}
		return rows.Err()
	}
	rare, err := l.isRare(ctx, f.Prefix)
	if err != nil {
		return nil, err
	}
	if f.Prefix != "" && rare {
		statement, args := f.rare(after, from)
		if err := add(statement, append(args, limit+1)); err != nil {
			return nil, err
		}
	}
	statement, args := union(f.branches(after, from), limit+1)
	return lines, add(statement, args)
}

// Postgres reports which of the engines it is.
func (l *Ledger) Postgres() bool { return l.postgres }

// Rows are the rows of a statement, each value as text.
func (l *Ledger) Rows(ctx context.Context, statement string) (all [][]string, err error) {
	rows, err := l.db.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	for err == nil && rows.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err = rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(names))
		for i, v := range values {
			if at, ok := v.(time.Time); ok {
				v = at.UTC().Format("2006-01-02T15:04:05.000Z")
			}
			row[i] = fmt.Sprint(v)
		}
		all = append(all, row)
	}
	return all, errors.Join(err, rows.Err())
}

// Dump is all that the tables hold, but for how far they are.
func (l *Ledger) Dump(ctx context.Context) (all []string, err error) {
	for _, table := range []string{standing.execution, standing.event, standing.term} {
		rows, err := l.Rows(ctx, "SELECT * FROM "+table)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			all = append(all, table+" "+strings.Join(row, " | "))
		}
	}
	slices.Sort(all)
	return all, nil
}

// Decode is what the projector makes of a message: the rows of its generation, or why there are none.
func Decode(data []byte, mailbox string, sequence uint64) ([]Execution, error) {
	t, err := decode(data, mailbox, sequence)
	if err != nil {
		return nil, err
	}
	var again execution.EventData
	if err := json.Unmarshal([]byte(t.text()), &again); err != nil {
		panic("what is kept can't be read again: " + err.Error())
	}
	var all []Execution
	for _, c := range t.concerns() {
		if e, ok := fold(c.Key, []told{c}); ok {
			all = append(all, e)
		}
	}
	return all, nil
}

// Values are the columns of e as they are written.
func (e Execution) Values() []any { return e.values() }

// OpenSigning is Open with tokens that sign makes.
func OpenSigning(ctx context.Context, url string, sign signer) (*Ledger, error) {
	return open(ctx, url, sign)
}
