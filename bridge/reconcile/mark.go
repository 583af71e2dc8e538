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

// newMark returns a mark that lies nowhere yet. No execution has a key of two parts.
func newMark(bucket string) mark { return mark{bucket: bucket, key: "mark." + rand.Text()} }

// move writes the mark after all that is in the bucket, to be kept for ttl, and reports
// whether all that was there when it was written before still is, or was changed since.
func (m *mark) move(ctx context.Context, js jetstream.JetStream, ttl time.Duration) (kept bool, err error) {
	before := m.revision
	m.revision = 0 // an answer that is lost leaves nothing to rely on
	publish := func(opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
		return js.Publish(ctx, bus.SubjectKey(m.bucket, m.key), []byte("{}"), append(opts, jetstream.WithMsgTTL(ttl))...)
	}
	ack, err := publish(jetstream.WithExpectLastSequencePerSubject(before))
	kept = err == nil && before > 0
	if conflict.Is(err) {
		ack, err = publish()
	}
	if err != nil {
		return false, fmt.Errorf("mark %s: %w", m.bucket, err)
	}
	m.revision = ack.Sequence
	return kept, nil
}
