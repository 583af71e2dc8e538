package shares

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/conflict"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// ErrStale says that a value was changed by somebody else meanwhile.
var ErrStale = errors.New("changed meanwhile")

// Store keeps values by key, and is changed by compare-and-set.
type Store interface {
	// Load returns a value; its revision is 0 when there is none.
	Load(ctx context.Context, key string) (Value, error)
	// Save replaces the value that has a revision, 0 for none, and returns its own. It
	// returns ErrStale when the revision is another; after another error the value may
	// have been replaced.
	Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	// Delete removes the value that has a revision.
	Delete(ctx context.Context, key string, revision uint64) error
	Keys(ctx context.Context) ([]string, error)
	// Watch sends something after each change of a key that matches pattern, at least
	// once for several, until ctx ends.
	Watch(ctx context.Context, pattern string) (<-chan struct{}, error)
}

// Value is what a store keeps by a key.
type Value struct {
	Data     []byte
	Revision uint64
	Written  time.Time // by the store's clock
}

// The keys. What follows the prefix is the name of a share.
const (
	keyAccount  = "account"
	sharePrefix = "share."
)

// stored is a value of some type.
type stored[T any] struct {
	value    T
	revision uint64
	written  time.Time
}

func load[T any](ctx context.Context, store Store, key string) (s stored[T], err error) {
	found, err := store.Load(ctx, key)
	if err != nil || found.Revision == 0 {
		return s, err
	}
	s.revision, s.written = found.Revision, found.Written
	if err := execution.CheckFormat("what is kept of the budget", found.Data, Version); err != nil {
		return s, fmt.Errorf("read %s: %w", key, err)
	}
	if err := json.Unmarshal(found.Data, &s.value); err != nil {
		return s, fmt.Errorf("read %s: %w", key, err)
	}
	return s, nil
}

func save(ctx context.Context, store Store, key string, v any, revision uint64) (uint64, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", key, err)
	}
	return store.Save(ctx, key, data, revision)
}

// allShares reads every share there is, by name.
func allShares(ctx context.Context, store Store) (map[string]stored[Share], error) {
	keys, err := store.Keys(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]stored[Share]{}
	for _, key := range keys {
		name, ok := strings.CutPrefix(key, sharePrefix)
		if !ok {
			continue
		}
		s, err := load[Share](ctx, store, key)
		if err != nil {
			return nil, err
		}
		if s.revision > 0 {
			all[name] = s
		}
	}
	return all, nil
}

// Bucket is a Store in a KV bucket.
type Bucket struct{ kv jetstream.KeyValue }

// NewBucket returns a Store over kv.
func NewBucket(kv jetstream.KeyValue) Bucket { return Bucket{kv} }

// Load implements [Store].
func (b Bucket) Load(ctx context.Context, key string) (Value, error) {
	entry, err := b.kv.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Value{}, nil
	}
	if err != nil {
		return Value{}, fmt.Errorf("load %s: %w", key, err)
	}
	return Value{entry.Value(), entry.Revision(), entry.Created()}, nil
}

// Save implements [Store].
func (b Bucket) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	var err error
	if revision == 0 {
		revision, err = b.kv.Create(ctx, key, value)
	} else {
		revision, err = b.kv.Update(ctx, key, value, revision)
	}
	return revision, stale(key, err)
}

// Delete implements [Store].
func (b Bucket) Delete(ctx context.Context, key string, revision uint64) error {
	return stale(key, b.kv.Purge(ctx, key, jetstream.LastRevision(revision), jetstream.PurgeTTL(time.Minute)))
}

func stale(key string, err error) error {
	if err == nil {
		return nil
	}
	if conflict.Is(err) {
		return fmt.Errorf("%s: %w", key, ErrStale)
	}
	return fmt.Errorf("save %s: %w", key, err)
}

// Keys implements [Store].
func (b Bucket) Keys(ctx context.Context) ([]string, error) {
	lister, err := b.kv.ListKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var keys []string
	for key := range lister.Keys() {
		keys = append(keys, key)
	}
	return keys, ctx.Err()
}

// Watch implements [Store].
func (b Bucket) Watch(ctx context.Context, pattern string) (<-chan struct{}, error) {
	w, err := b.kv.Watch(ctx, pattern, jetstream.UpdatesOnly(), jetstream.MetaOnly())
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", pattern, err)
	}
	changed := make(chan struct{}, 1)
	context.AfterFunc(ctx, func() { _ = w.Stop() })
	go func() {
		for range w.Updates() {
			select {
			case changed <- struct{}{}:
			default: // one is on its way
			}
		}
	}()
	return changed, nil
}
