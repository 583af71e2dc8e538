package ledger

import (
	"context"
	"fmt"
	"time"
)

// Cause is one reason for which executions are DEAD, in one mailbox.
type Cause struct {
	Code    string    `json:"code"`
	Mailbox string    `json:"mailbox"`
	Count   int       `json:"count"`
	First   time.Time `json:"first"` // the earliest end
	Last    time.Time `json:"last"`  // the latest end
}

// Dead counts the executions that are DEAD and were not redriven, by cause, the most
// frequent first. Mailboxes are as in a [Filter]. What is DEAD since since counts, all
// when it is zero.
func (l *Ledger) Dead(ctx context.Context, mailboxes []string, since time.Time) ([]Cause, error) {
	if mailboxes != nil && len(mailboxes) == 0 {
		return nil, nil
	}
	where, args := "state = 'DEAD' AND redriven_as = 0", []any{}
	if mailboxes != nil {
		where, args = where+" AND mailbox IN ("+marks(len(mailboxes))+")", anys(mailboxes)
	}
	if !since.IsZero() {
		where, args = where+" AND finished_us >= ?", append(args, micros(since))
	}
	causes, err := query(ctx, l.db, l.rebind(`SELECT code, mailbox, count(*), min(finished_us), max(finished_us) FROM execution
		WHERE `+where+` GROUP BY code, mailbox ORDER BY count(*) DESC, code, mailbox`), args,
		func(row interface{ Scan(...any) error }) (Cause, error) {
			var c Cause
			var first, last int64
			err := row.Scan(&c.Code, &c.Mailbox, &c.Count, &first, &last)
			c.First, c.Last = moment(first), moment(last)
			return c, err
		})
	if err != nil {
		return nil, fmt.Errorf("count what is DEAD: %w", err)
	}
	return causes, nil
}
