package reconcile

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/conflict"
)

// mark is a key of a bucket that one reconciler writes and nobody else, anew before each
// reading. As long as it is where it was written last, the bucket has lost nothing that
// was there by then. A bucket that was restored from an older copy, or made anew, can't
// be told from one that merely went on by how far it is: what it lost may be overtaken.
type mark struct {
	bucket   string
	key      string
	revision uint64 // where it was written last; 0 if it wasn't, or nobody knows
}

// move writes the mark after all that is in the bucket, to be kept for ttl, and reports
// whether all that was there when it was written before still is, or was changed since.
func (m *mark) move(ctx context.Context, js jetstream.JetStream, ttl time.Duration) (kept bool, err error) {
	before := m.revision
	m.revision = 0 // an answer that is lost leaves nothing to rely on
	if before > 0 {
		m.revision, err = m.write(ctx, js, ttl, before)
		if err == nil || !conflict.Is(err) {
			return err == nil, err
		}
	}
	// A new key, because a copy that is put back next may have the old one at any revision.
	// No execution has a key of two parts.
	m.key = "mark." + rand.Text()
	m.revision, err = m.write(ctx, js, ttl, 0)
	return false, err
}

// write writes the mark where its last revision is before, and returns the new one.
func (m *mark) write(ctx context.Context, js jetstream.JetStream, ttl time.Duration, before uint64) (uint64, error) {
	ack, err := js.Publish(ctx, bus.SubjectKey(m.bucket, m.key), []byte("{}"),
		jetstream.WithExpectLastSequencePerSubject(before), jetstream.WithMsgTTL(ttl))
	if err != nil {
		return 0, fmt.Errorf("mark %s: %w", m.bucket, err)
	}
	return ack.Sequence, nil
}
