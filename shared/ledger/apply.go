package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// tables names the set that is written: the one that is read, or one that is built
// anew beside it.
type tables struct{ execution, event, term, position string }

var standing = tables{"execution", "event", "term", "position"}

// writer puts what was told into one set of tables, within a transaction.
type writer struct {
	*Ledger
	tx  *sql.Tx
	set tables
}

// write runs do in a transaction, when it is its turn: a row is made of what others
// have written.
func (l *Ledger) write(ctx context.Context, set tables, do func(writer) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // says nothing new after a commit
	if err := do(writer{l, tx, set}); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return nil
}

// Record keeps events that didn't come from the stream, such as those that storage has
// the makings of. What the stream tells of the same stands before them.
func (l *Ledger) Record(ctx context.Context, events ...execution.Event) error {
	news := make([]told, 0, len(events))
	for _, e := range events {
		t, err := untold(e)
		if err != nil {
			return err
		}
		news = append(news, t)
	}
	return l.write(ctx, standing, func(w writer) error {
		if _, err := w.position(ctx); err != nil {
			return err
		}
		return w.apply(ctx, news)
	})
}

// atOnce is how many rows one statement writes.
const atOnce = 100

// apply keeps what was told, and makes the rows anew that it concerns.
func (w writer) apply(ctx context.Context, news []told) error {
	type name struct {
		execution.Key
		ID string
	}
	best := map[name]told{}
	touched := map[execution.Key]bool{}
	for _, one := range news {
		for _, t := range one.concerns() {
			at := name{t.Key, t.ID}
			if other, ok := best[at]; !ok || t.rank() < other.rank() {
				best[at] = t
			}
			touched[t.Key] = true
		}
	}
	var rows [][]any
	for _, t := range best {
		rows = append(rows, []any{t.Mailbox, t.Key.ID, t.Generation, t.ID, t.rank(), int64(t.Sequence), t.Kind, micros(t.At), t.Source, t.text()})
	}
	err := w.insert(ctx, w.set.event+" (mailbox, execution_id, generation, event_id, rank, seq, kind, at_us, source, data)", rows,
		` ON CONFLICT (mailbox, execution_id, generation, event_id) DO UPDATE SET rank = excluded.rank, seq = excluded.seq,
			kind = excluded.kind, at_us = excluded.at_us, source = excluded.source, data = excluded.data WHERE excluded.rank < `+w.set.event+".rank")
	if err != nil {
		return err
	}
	for keys := range slices.Chunk(sortedKeys(touched), atOnce) {
		if err := w.refold(ctx, keys); err != nil {
			return err
		}
	}
	return nil
}

// refold makes the rows of keys anew from their events.
func (w writer) refold(ctx context.Context, keys []execution.Key) error {
	events, err := w.events(ctx, keys)
	if err != nil {
		return err
	}
	var rows, terms [][]any
	var erased []execution.Key
	for _, k := range keys {
		e, ok := fold(k, events[k])
		if !ok {
			continue
		}
		rows = append(rows, e.values())
		seen := map[string]bool{}
		for _, term := range e.terms() {
			if !seen[term] {
				terms = append(terms, []any{term, tie(k), micros(e.Accepted), e.Mailbox, string(e.State), e.Executor})
			}
			seen[term] = true
		}
		if !e.Erased.IsZero() {
			erased = append(erased, k)
		}
	}
	for _, k := range erased {
		if err := w.erase(ctx, k, events[k]); err != nil {
			return err
		}
	}
	err = w.insert(ctx, w.set.execution+" ("+columns+")", rows, onConflict)
	if err != nil {
		return err
	}
	return w.insert(ctx, w.set.term+" (term, tie, accepted_us, mailbox, state, executor)", terms,
		" ON CONFLICT (term, tie) DO UPDATE SET accepted_us = excluded.accepted_us, state = excluded.state, executor = excluded.executor")
}

// onConflict replaces all columns of a row but its key.
var onConflict = func() string {
	var sets []string
	for _, column := range strings.Fields(strings.ReplaceAll(columns, ",", ""))[4:] {
		sets = append(sets, column+" = excluded."+column)
	}
	return " ON CONFLICT (mailbox, execution_id, generation) DO UPDATE SET " + strings.Join(sets, ", ")
}()

// insert writes rows, some with each statement. into names the table and its columns.
func (w writer) insert(ctx context.Context, into string, rows [][]any, onConflict string) error {
	for some := range slices.Chunk(rows, atOnce) {
		tuples := make([]string, len(some))
		args := make([]any, 0, len(some)*len(some[0]))
		for i, row := range some {
			tuples[i] = "(" + marks(len(row)) + ")"
			args = append(args, row...)
		}
		statement := "INSERT INTO " + into + " VALUES " + strings.Join(tuples, ", ") + onConflict
		if _, err := w.tx.ExecContext(ctx, w.rebind(statement), args...); err != nil {
			return err
		}
	}
	return nil
}

// events reads all that was told of keys.
func (w writer) events(ctx context.Context, keys []execution.Key) (map[execution.Key][]told, error) {
	tuples, args := make([]string, len(keys)), make([]any, 0, 3*len(keys))
	for i, k := range keys {
		tuples[i], args = "(?, ?, ?)", append(args, k.Mailbox, k.ID, k.Generation)
	}
	tuples[0] = "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT))" // PostgreSQL asks for the types
	statement := "WITH wanted (m, i, g) AS (VALUES " + strings.Join(tuples, ", ") + ") SELECT " + toldColumns + " FROM wanted CROSS JOIN " +
		w.set.event + " AS event WHERE mailbox = m AND execution_id = i AND generation = g"
	all, err := query(ctx, w.tx, w.rebind(statement), args, scanTold)
	byKey := map[execution.Key][]told{}
	for _, t := range all {
		byKey[t.Key] = append(byKey[t.Key], t)
	}
	return byKey, err
}

const toldColumns = "mailbox, execution_id, generation, event_id, seq, kind, at_us, source, data"

func scanTold(row interface{ Scan(...any) error }) (told, error) {
	var t told
	var sequence, at int64
	var data string
	if err := row.Scan(&t.Mailbox, &t.Key.ID, &t.Generation, &t.ID, &sequence, &t.Kind, &at, &t.Source, &data); err != nil {
		return t, err
	}
	t.Sequence, t.At = uint64(sequence), moment(at)
	return t, json.Unmarshal([]byte(data), &t.Data)
}

// erase removes what came from the customer from the events of k, and from what k is
// found by.
func (w writer) erase(ctx context.Context, k execution.Key, events []told) error {
	for _, t := range events {
		if t.Kind == execution.EventErased {
			continue
		}
		bare := t
		bare.Data = execution.EventData{Key: t.Data.Key, State: t.Data.State, Attempt: t.Data.Attempt, Number: t.Data.Number,
			From: t.Data.From, Token: t.Data.Token, Executor: t.Data.Executor, Host: t.Data.Host, Code: t.Data.Code, Usage: t.Data.Usage,
			Enqueued: t.Data.Enqueued, Started: t.Data.Started, Finished: t.Data.Finished}
		_, err := w.tx.ExecContext(ctx, w.rebind("UPDATE "+w.set.event+" SET data = ? WHERE mailbox = ? AND execution_id = ? AND generation = ? AND event_id = ?"),
			bare.text(), k.Mailbox, k.ID, k.Generation, t.ID)
		if err != nil {
			return err
		}
	}
	for _, t := range events {
		if t.Data.Asked == nil {
			continue
		}
		for _, name := range t.Data.Asked.Files {
			term := strings.ToLower(name)
			if term == strings.ToLower(k.ID) {
				continue
			}
			if _, err := w.tx.ExecContext(ctx, w.rebind("DELETE FROM "+w.set.term+" WHERE term = ? AND tie = ?"), term, tie(k)); err != nil {
				return err
			}
		}
	}
	return nil
}

func sortedKeys(set map[execution.Key]bool) []execution.Key {
	keys := make([]execution.Key, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b execution.Key) int { return strings.Compare(a.Path(), b.Path()) })
	return keys
}

// Event is one line of an execution's timeline.
type Event struct {
	Kind   string              `json:"kind"` // started, retry, succeeded, …
	At     time.Time           `json:"at"`
	Source string              `json:"source"` // /executor/host
	Data   execution.EventData `json:"data"`
}

// MaxEvents is how many events a timeline has at most, the first ones.
const MaxEvents = 1000

// Events returns what happened to the generation k, in the order it was told.
func (l *Ledger) Events(ctx context.Context, k execution.Key) ([]Event, error) {
	all, err := query(ctx, l.db, l.rebind("SELECT "+toldColumns+` FROM event
		WHERE mailbox = ? AND execution_id = ? AND generation = ? ORDER BY at_us, seq LIMIT ?`),
		[]any{k.Mailbox, k.ID, k.Generation, MaxEvents}, scanTold)
	if err != nil {
		return nil, fmt.Errorf("read events of %s: %w", k, err)
	}
	events := make([]Event, len(all))
	for i, t := range all {
		events[i] = Event{t.Kind, t.At, t.Source, t.Data}
	}
	return events, nil
}
