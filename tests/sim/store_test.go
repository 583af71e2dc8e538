package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// store is a process's view of the object store: linearizable, create-only where
// that is asked for.
type store struct{ p *process }

var _ storage.Store = store{}

var errStore = fault.New(storage.CodeUnavailable, "the simulated store does not answer")

// stable is a key without what chance put into it: attempts are named at random.
func stable(key string) string {
	parts := strings.Split(key, "/")
	if parts[0] == "attempts" && len(parts) > 4 {
		parts[4] = "*"
	}
	return strings.Join(parts, "/")
}

func ask[T any](ctx context.Context, s store, op, key string, apply func() (T, error)) (T, error) {
	return call(ctx, s.p, "store", op, stable(key), error(errStore), apply)
}

func (s store) URL() string { return "s3://simulated" }

func missing(key string) error {
	return fault.New(storage.CodeNotFound, "%q: %w", stable(key), storage.ErrNotFound)
}

func (s store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	return ask(ctx, s, "get", key, func() (io.ReadCloser, error) {
		data, found := s.p.w.objects[key]
		if !found {
			return nil, missing(key)
		}
		return io.NopCloser(bytes.NewReader(data)), nil
	})
}

func (s store) Put(ctx context.Context, key string, r io.Reader) (storage.Info, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return storage.Info{}, err
	}
	sum := sha256.Sum256(data)
	return ask(ctx, s, "put", key, func() (storage.Info, error) {
		s.p.w.write(s.p, key, data)
		return storage.Info{Key: key, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}, nil
	})
}

func (s store) Create(ctx context.Context, key string, data []byte) error {
	data = bytes.Clone(data)
	_, err := ask(ctx, s, "create", key, func() (nothing, error) {
		if _, found := s.p.w.objects[key]; found {
			return nothing{}, fault.New(storage.CodeExists, "%q: %w", stable(key), storage.ErrExists)
		}
		s.p.w.write(s.p, key, data)
		return nothing{}, nil
	})
	return err
}

// write changes an object, under the eyes of the checker.
func (w *world) write(p *process, key string, data []byte) {
	before, found := w.objects[key]
	w.objects[key], w.modified[key] = data, time.Now()
	w.ledger.wrote(w, p, key, data, before, found)
}

func (s store) Stat(ctx context.Context, key string) (storage.Info, error) {
	return ask(ctx, s, "stat", key, func() (storage.Info, error) {
		data, found := s.p.w.objects[key]
		if !found {
			return storage.Info{}, missing(key)
		}
		return storage.Info{Key: key, Size: int64(len(data)), Modified: s.p.w.modified[key]}, nil
	})
}

func (s store) Sync(ctx context.Context, key string) error {
	_, err := ask(ctx, s, "sync", key, func() (nothing, error) {
		if _, found := s.p.w.objects[key]; !found {
			return nothing{}, missing(key)
		}
		return nothing{}, nil
	})
	return err
}

func (s store) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		found, err := ask(ctx, s, "list", prefix, func() ([]storage.Info, error) {
			var infos []storage.Info
			for _, key := range slices.Sorted(maps.Keys(s.p.w.objects)) {
				if strings.HasPrefix(key, prefix) {
					infos = append(infos, storage.Info{Key: key, Size: int64(len(s.p.w.objects[key])), Modified: s.p.w.modified[key]})
				}
			}
			return infos, nil
		})
		if err != nil {
			yield(storage.Info{}, err)
			return
		}
		for _, info := range found {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (s store) Delete(ctx context.Context, key string) error {
	_, err := ask(ctx, s, "delete", key, func() (nothing, error) {
		if strings.HasPrefix(key, "outcome/") {
			s.p.w.violate("I3", "outcome %s was deleted", key)
		}
		delete(s.p.w.objects, key)
		return nothing{}, nil
	})
	return err
}
