package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

const (
	// rareTerms is how many names may begin with a prefix to be read and sorted by time.
	// If there are more, they are frequent enough to be met among the newest executions.
	rareTerms = 20_000
	// lookThrough is how many of the newest executions are looked through for a page.
	lookThrough = 2000
)

// search is [Ledger.List] by a prefix.
func (l *Ledger) search(ctx context.Context, f Filter, cursor string, from place, limit int) (Page, error) {
	rare, err := l.isRare(ctx, f.Prefix)
	if err != nil {
		return Page{}, err
	}
	if !rare {
		return l.lookThrough(ctx, f, strings.ToLower(f.Prefix), cursor, from, limit)
	}
	statement, args := f.rare(cursor != "", from)
	found, err := l.query(ctx, statement, append(args, limit+1))
	if err != nil {
		return Page{}, fmt.Errorf("search executions: %w", err)
	}
	return cut(found, limit), nil
}

// isRare reports whether few names begin with prefix.
func (l *Ledger) isRare(ctx context.Context, prefix string) (bool, error) {
	var n int
	err := l.db.QueryRowContext(ctx, l.rebind("SELECT count(*) FROM (SELECT 1 FROM term WHERE term >= ? AND term < ? LIMIT ?) AS names"),
		strings.ToLower(prefix), above(prefix), rareTerms+1).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("search executions: %w", err)
	}
	return n <= rareTerms, nil
}

// rare is the statement that reads all names that begin with f's prefix. Its last
// argument, how many executions are wanted, is missing.
func (f Filter) rare(after bool, from place) (statement string, args []any) {
	where, args := "term >= ? AND term < ?", []any{strings.ToLower(f.Prefix), above(f.Prefix)}
	add := func(text string, values ...any) { where, args = where+" AND "+text, append(args, values...) }
	if f.Mailboxes != nil {
		add("mailbox IN ("+marks(len(f.Mailboxes))+")", anys(f.Mailboxes)...)
	}
	if len(f.States) > 0 {
		add("state IN ("+marks(len(f.States))+")", anys(f.States)...)
	}
	if f.Executor != "" {
		add("executor = ?", f.Executor)
	}
	if !f.From.IsZero() {
		add("accepted_us >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		add("accepted_us < ?", micros(f.To))
	}
	if after {
		add("(accepted_us, tie) < (?, ?)", from.accepted, from.tie)
	}
	// One execution may have several names that begin so.
	places := "SELECT DISTINCT accepted_us, tie FROM term WHERE " + where
	return joined(places) + " ORDER BY execution.accepted_us DESC, execution.tie DESC", args
}

// above is behind all names that begin with prefix.
func above(prefix string) string { return strings.ToLower(prefix) + "\U0010FFFF" }

// lookThrough finds a frequent prefix among the newest executions.
func (l *Ledger) lookThrough(ctx context.Context, f Filter, prefix, cursor string, from place, limit int) (Page, error) {
	after := cursor != ""
	var p Page
	for range lookThrough / MaxPage {
		some, err := l.newest(ctx, f, after, from, MaxPage)
		if err != nil {
			return Page{}, err
		}
		for _, e := range some {
			if !slices.ContainsFunc(e.terms(), func(term string) bool { return strings.HasPrefix(term, prefix) }) {
				continue
			}
			p.Executions = append(p.Executions, e)
			if len(p.Executions) == limit {
				p.Next = placeOf(e).String()
				return p, nil
			}
		}
		if len(some) < MaxPage {
			return p, nil
		}
		after, from = true, placeOf(some[len(some)-1])
	}
	p.Next = from.String()
	return p, nil
}

// marks are n places for values.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func anys[T ~string](values []T) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
