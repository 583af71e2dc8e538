package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeUnknown says that the ledger has never heard of an execution.
const CodeUnknown fault.Code = "LEDGER_EXECUTION_UNKNOWN"

// Filter chooses executions. The zero Filter is all of them.
type Filter struct {
	Mailboxes []string // only of these; nil is of all, and an empty list of none
	States    []execution.State
	Executor  string    // worker, lambda, or operator for what somebody cancelled
	From, To  time.Time // when it was accepted: From included, To not
	Prefix    string    // of the id or of a file's name, in upper or lower case
}

// Page is a part of a list, newest first. It may be shorter than was asked for, also
// empty, and have more behind it: Next, the cursor of the page that follows, is empty
// at the end.
type Page struct {
	Executions []Execution `json:"executions"`
	Next       string      `json:"next,omitempty"`
}

// MaxPage is how many executions a page holds at most.
const MaxPage = 500

// List returns the executions that f chooses, newest first, from where cursor says, at
// most limit. What is accepted meanwhile comes before the first page and disturbs no
// other. No list reads much more than it returns, however many executions there are.
func (l *Ledger) List(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	limit = min(max(limit, 1), MaxPage)
	from := place{}
	if cursor != "" {
		var err error
		if from, err = parsePlace(cursor); err != nil {
			return Page{}, err
		}
	}
	if f.Mailboxes != nil && len(f.Mailboxes) == 0 {
		return Page{}, nil
	}
	if f.Prefix != "" {
		return l.search(ctx, f, cursor, from, limit)
	}
	found, err := l.newest(ctx, f, cursor != "", from, limit+1)
	if err != nil {
		return Page{}, err
	}
	return cut(found, limit), nil
}

// Newest returns the newest executions that f chooses, at most limit: for whoever counts
// with more than a page has. f's prefix doesn't matter.
func (l *Ledger) Newest(ctx context.Context, f Filter, limit int) ([]Execution, error) {
	if f.Mailboxes != nil && len(f.Mailboxes) == 0 {
		return nil, nil
	}
	return l.newest(ctx, f, false, place{}, limit)
}

// cut makes a page of what was found, one more than it holds if there is more.
func cut(found []Execution, limit int) Page {
	p := Page{Executions: found}
	if len(found) > limit {
		p.Executions = found[:limit]
		p.Next = placeOf(found[limit-1]).String()
	}
	return p
}

func placeOf(e Execution) place { return place{micros(e.Accepted), tie(e.Key)} }

// states and executors are all there are: a filter that leaves one of them open is a
// search for each, because an index has them before the time.
var (
	states = []execution.State{execution.Accepted, execution.Running, execution.RetryWait,
		execution.Succeeded.Terminal(), execution.Dead.Terminal(), execution.Cancelled.Terminal()}
	executors = []string{"", execution.OnWorker, execution.OnLambda, execution.ByOperator}
)

// branch is a part of a list that lies in one index in the order of time.
type branch struct {
	where string
	args  []any
}

// branches splits f so that each part is read from an index in order, and no further
// than a page.
func (f Filter) branches(after bool, from place) []branch {
	when := branch{where: "1 = 1"}
	add := func(b branch, where string, args ...any) branch {
		return branch{b.where + " AND " + where, append(slices.Clone(b.args), args...)}
	}
	if !f.From.IsZero() {
		when = add(when, "accepted_us >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		when = add(when, "accepted_us < ?", micros(f.To))
	}
	if after {
		when = add(when, "(accepted_us, tie) < (?, ?)", from.accepted, from.tie)
	}
	parts := []branch{when}
	each := func(column string, n int, value func(int) any) {
		var next []branch
		for _, p := range parts {
			for i := range n {
				next = append(next, add(p, column+" = ?", value(i)))
			}
		}
		parts = next
	}
	if f.Mailboxes != nil {
		mailboxes := slices.Compact(slices.Sorted(slices.Values(f.Mailboxes)))
		each("mailbox", len(mailboxes), func(i int) any { return mailboxes[i] })
	}
	if len(f.States) == 0 && f.Executor == "" {
		return parts
	}
	some, where := states, executors
	if len(f.States) > 0 {
		some = slices.Compact(slices.Sorted(slices.Values(f.States)))
	}
	if f.Executor != "" {
		where = []string{f.Executor}
	}
	each("state", len(some), func(i int) any { return string(some[i]) })
	each("executor", len(where), func(i int) any { return where[i] })
	return parts
}

// newest reads the first that f chooses behind a place, its prefix apart.
func (l *Ledger) newest(ctx context.Context, f Filter, after bool, from place, limit int) ([]Execution, error) {
	const atOnce = 100 // parts of one statement
	var found []Execution
	for parts := range slices.Chunk(f.branches(after, from), atOnce) {
		statement, args := union(parts, limit)
		some, err := l.query(ctx, statement, args)
		if err != nil {
			return nil, fmt.Errorf("list executions: %w", err)
		}
		found = append(found, some...)
	}
	slices.SortFunc(found, func(a, b Execution) int {
		p, q := placeOf(a), placeOf(b)
		return cmp.Or(cmp.Compare(q.accepted, p.accepted), cmp.Compare(q.tie, p.tie))
	})
	return found[:min(limit, len(found))], nil
}

// union is the statement that merges parts, each read from its index.
func union(parts []branch, limit int) (statement string, args []any) {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = "SELECT * FROM (SELECT accepted_us, tie FROM execution WHERE " + p.where +
			" ORDER BY accepted_us DESC, tie DESC LIMIT ?) AS part"
		args = append(append(args, p.args...), limit)
	}
	return joined(strings.Join(texts, " UNION ALL ")), append(args, limit)
}

// joined is the statement that reads the rows of the newest places.
func joined(places string) string {
	return "SELECT " + qualified + " FROM (SELECT accepted_us AS at_us, tie AS at_tie FROM (" + places +
		") AS parts ORDER BY accepted_us DESC, tie DESC LIMIT ?) AS newest JOIN execution ON execution.accepted_us = newest.at_us AND execution.tie = newest.at_tie"
}

// qualified are [columns] of the table execution.
var qualified = "execution." + strings.Join(strings.Fields(columns), " execution.")

// query reads rows of [columns].
func (l *Ledger) query(ctx context.Context, statement string, args []any) ([]Execution, error) {
	return query(ctx, l.db, l.rebind(statement), args, scan)
}

type querier interface {
	QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error)
}

// query reads all rows of a statement.
func query[T any](ctx context.Context, db querier, statement string, args []any, scan func(interface{ Scan(...any) error }) (T, error)) ([]T, error) {
	rows, err := db.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// Get returns the generation k of an execution, the newest if k has none.
func (l *Ledger) Get(ctx context.Context, k execution.Key) (Execution, error) {
	where, args := "mailbox = ? AND execution_id = ?", []any{k.Mailbox, k.ID}
	if k.Generation != 0 {
		where, args = where+" AND generation = ?", append(args, k.Generation)
	}
	e, err := scan(l.db.QueryRowContext(ctx, l.rebind("SELECT "+columns+" FROM execution WHERE "+where+" ORDER BY generation DESC LIMIT 1"), args...))
	if errors.Is(err, sql.ErrNoRows) {
		return e, fault.New(CodeUnknown, "the ledger knows no execution %s in mailbox %s", k.ID, k.Mailbox).
			Advise("it hears of an execution when that is seen on the queue or begins").Permanent()
	}
	if err != nil {
		return e, fmt.Errorf("read execution %s: %w", k, err)
	}
	return e, nil
}
