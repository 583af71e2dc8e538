package delegation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/conflict"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// ErrStale says that the entry was changed by somebody else meanwhile.
var ErrStale = errors.New("delegation changed meanwhile")

// Ledger keeps entries in a bucket. Those that are over expire after a while.
type Ledger struct {
	js  jetstream.JetStream
	kv  jetstream.KeyValue
	ttl time.Duration
}

// New returns a Ledger over kv that keeps entries for ttl after they are over.
func New(js jetstream.JetStream, kv jetstream.KeyValue, ttl time.Duration) *Ledger {
	return &Ledger{js: js, kv: kv, ttl: ttl}
}

// Load returns the entry of k and its revision, or an entry with only the key and
// revision 0 when there is none. What is no entry of k, because somebody else wrote
// there, is as good as none and can be overwritten; a newer program's entry is neither
// before its expiry, see [Entry.Newer].
func (l *Ledger) Load(ctx context.Context, k execution.Key) (Entry, uint64, error) {
	stored, err := l.kv.Get(ctx, k.Path())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Entry{Key: k}, 0, nil
	}
	if err != nil {
		return Entry{}, 0, fmt.Errorf("load delegation of %s: %w", k, err)
	}
	e, err := decode(stored.Value(), stored.Key())
	if err != nil {
		return Entry{Key: k}, stored.Revision(), nil //nolint:nilerr // not an entry of ours: as good as none
	}
	return e, stored.Revision(), nil
}

// Save writes e if the revision is still the one loaded, and returns the new one. It
// returns ErrStale when it is not.
func (l *Ledger) Save(ctx context.Context, e Entry, revision uint64) (uint64, error) {
	if err := e.validate(); err != nil {
		return 0, fmt.Errorf("save delegation of %s: %w", e.Key, err)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return 0, fmt.Errorf("save delegation of %s: %w", e.Key, err)
	}
	opts := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(revision)}
	if e.State.Over() {
		opts = append(opts, jetstream.WithMsgTTL(l.ttl))
	}
	ack, err := l.js.Publish(ctx, "$KV."+l.kv.Bucket()+"."+e.Path(), data, opts...)
	if conflict.Is(err) {
		return 0, fmt.Errorf("save delegation of %s at revision %d: %w", e.Key, revision, ErrStale)
	}
	if err != nil {
		return 0, fmt.Errorf("save delegation of %s: %w", e.Key, err)
	}
	return ack.Sequence, nil
}

// Since yields every entry that was last changed after a revision, 0 for all there
// are, with its own, in the order of the changes. When the server has lost its last
// changes it begins again: an older copy of the bucket may have entries that were over.
func (l *Ledger) Since(ctx context.Context, revision uint64) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		stream, err := l.js.Stream(ctx, "KV_"+l.kv.Bucket())
		if err != nil {
			yield(Stored{}, fmt.Errorf("read delegations: %w", err))
			return
		}
		if stream.CachedInfo().State.LastSeq < revision {
			revision = 0
		}
		w, err := l.kv.WatchAll(ctx, jetstream.IgnoreDeletes(), jetstream.ResumeFromRevision(revision+1))
		if err != nil {
			yield(Stored{}, fmt.Errorf("read delegations: %w", err))
			return
		}
		defer func() { _ = w.Stop() }()
		for {
			select {
			case <-ctx.Done():
				yield(Stored{}, ctx.Err())
				return
			case found, ok := <-w.Updates():
				if !ok {
					yield(Stored{}, fmt.Errorf("read delegations: %w", context.Canceled))
					return
				}
				if found == nil { // that was all
					return
				}
				e, err := decode(found.Value(), found.Key())
				if err == nil && !yield(Stored{e, found.Revision()}, nil) {
					return
				}
			}
		}
	}
}

// Stored is an entry and its revision.
type Stored struct {
	Entry
	Revision uint64
}

// decode reads the entry at a key of the bucket. One of a version that isn't known, or
// that says what no state or mode of this version says, is a newer program's.
func decode(data []byte, at string) (Entry, error) {
	var every struct { // version's entry has these
		execution.Key
		Version int       `json:"version"`
		Expiry  time.Time `json:"expiry"`
	}
	if err := json.Unmarshal(data, &every); err != nil {
		return Entry{}, err
	}
	if every.Path() != at {
		return Entry{}, fmt.Errorf("an entry of %s at %s", every.Key, at)
	}
	newer := Entry{Key: every.Key, Version: max(every.Version, Version+1), Expiry: every.Expiry}
	if every.Version > Version {
		return newer, nil
	}
	var e Entry
	if err := json.Unmarshal(data, &e); err != nil {
		return Entry{}, err
	}
	if e.State != "" && !e.State.known() || e.Mode != "" && !e.modeKnown() {
		return newer, nil
	}
	return e, e.validate()
}
