package ledger

import (
	"context"
	"fmt"
)

// Status is what a ledger holds.
type Status struct {
	Engine     string `json:"engine"`     // SQLite or PostgreSQL
	Executions int64  `json:"executions"` // generations
	Events     int64  `json:"events"`
	Sequence   uint64 `json:"sequence"` // how far the stream of events was read
	Skipped    int64  `json:"skipped"`  // messages that were no events of the fleet's
}

// Status counts what l holds. It takes as long as counting does.
func (l *Ledger) Status(ctx context.Context) (Status, error) {
	s := Status{Engine: "SQLite"}
	if l.postgres {
		s.Engine = "PostgreSQL"
	}
	at, err := l.position(ctx)
	if err == nil {
		s.Sequence, s.Skipped = at.Sequence, at.Skipped
		err = l.db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM execution), (SELECT count(*) FROM event)").Scan(&s.Executions, &s.Events)
	}
	if err != nil {
		return s, fmt.Errorf("look at the ledger: %w", err)
	}
	return s, nil
}
