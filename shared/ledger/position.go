package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// position is how far the stream of events has been read.
type position struct {
	Created  time.Time // when the stream was made
	Sequence uint64    // of the last message that was read
	Skipped  int64     // messages that were none of the fleet's
}

// position reads how far w's tables are. Until the transaction ends nobody else
// writes to them.
func (w writer) position(ctx context.Context) (position, error) {
	_, err := w.tx.ExecContext(ctx, w.rebind("INSERT INTO "+w.set.position+" (stream, created_us, seq, skipped) VALUES (?, 0, 0, 0) ON CONFLICT (stream) DO NOTHING"), bus.StreamEvents)
	if err != nil {
		return position{}, err
	}
	lock := ""
	if w.postgres { // SQLite has one writer at a time
		lock = " FOR UPDATE"
	}
	return scanPosition(w.tx.QueryRowContext(ctx, w.rebind("SELECT created_us, seq, skipped FROM "+w.set.position+" WHERE stream = ?"+lock), bus.StreamEvents))
}

// position reads how far the ledger is, without a lock.
func (l *Ledger) position(ctx context.Context) (position, error) {
	p, err := scanPosition(l.db.QueryRowContext(ctx, l.rebind("SELECT created_us, seq, skipped FROM position WHERE stream = ?"), bus.StreamEvents))
	if errors.Is(err, sql.ErrNoRows) {
		return position{}, nil
	}
	return p, err
}

func scanPosition(row interface{ Scan(...any) error }) (position, error) {
	var created, sequence int64
	var p position
	err := row.Scan(&created, &sequence, &p.Skipped)
	p.Created, p.Sequence = moment(created), uint64(sequence) //nolint:gosec // as it was written
	return p, err
}

// move writes how far w's tables are.
func (w writer) move(ctx context.Context, p position) error {
	_, err := w.tx.ExecContext(ctx, w.rebind("UPDATE "+w.set.position+" SET created_us = ?, seq = ?, skipped = ? WHERE stream = ?"),
		micros(p.Created), int64(p.Sequence), p.Skipped, bus.StreamEvents) //nolint:gosec // far below 2^63
	return err
}
