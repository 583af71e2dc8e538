package telemetry

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// stores measures requests to storage.
type stores struct {
	took   *prometheus.HistogramVec
	failed *prometheus.CounterVec
	codes  *known
}

func newStores() *stores {
	return &stores{took: StorageRequest.histograms(), failed: StorageErrors.counters(), codes: newKnown(maxCodes)}
}

// Describe implements [prometheus.Collector].
func (s *stores) Describe(to chan<- *prometheus.Desc) {
	s.took.Describe(to)
	s.failed.Describe(to)
}

// Collect implements [prometheus.Collector].
func (s *stores) Collect(to chan<- prometheus.Metric) {
	s.took.Collect(to)
	s.failed.Collect(to)
}

// Store is s, whose requests are measured, and which must answer for the component to be
// ready.
func (m *Monitor) Store(s storage.Store) storage.Store {
	watched := &store{Store: s, stores: m.stores}
	m.Check("storage", watched.answers)
	return watched
}

// store is a Store whose requests are measured.
type store struct {
	storage.Store
	stores   *stores
	answered atomic.Int64 // when it last did, in Unix nanoseconds
}

// measure notes what came of one request. That something isn't there, or is there
// already, is an answer; that the caller gave up says nothing of the store.
func (s *store) measure(ctx context.Context, operation string, began time.Time, err error) {
	s.stores.took.WithLabelValues(operation).Observe(time.Since(began).Seconds())
	switch {
	case err == nil || errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrExists):
		s.answered.Store(time.Now().UnixNano())
	case ctx.Err() == nil:
		s.stores.failed.WithLabelValues(operation, s.stores.codes.label(string(fault.CodeOf(err)))).Inc()
	}
}

// answerFresh is how old an answer may be that shows that a store is there.
const answerFresh = 10 * time.Second

// probeKey is an object that nobody stores.
const probeKey = "outcome/ready"

// answers reports whether the store answered lately, and asks it if it wasn't asked.
func (s *store) answers(ctx context.Context) error {
	if time.Since(time.Unix(0, s.answered.Load())) < answerFresh {
		return nil
	}
	_, err := s.Stat(ctx, probeKey)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// Get implements [storage.Store]. What is measured is the time until the object's bytes
// can be read.
func (s *store) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	began := time.Now()
	body, err := s.Store.Get(ctx, key)
	s.measure(ctx, "get", began, err)
	return body, err
}

// Put implements [storage.Store].
func (s *store) Put(ctx context.Context, key string, r io.Reader) (storage.Info, error) {
	began := time.Now()
	info, err := s.Store.Put(ctx, key, r)
	s.measure(ctx, "put", began, err)
	return info, err
}

// Create implements [storage.Store].
func (s *store) Create(ctx context.Context, key string, data []byte) error {
	began := time.Now()
	err := s.Store.Create(ctx, key, data)
	s.measure(ctx, "create", began, err)
	return err
}

// Stat implements [storage.Store].
func (s *store) Stat(ctx context.Context, key string) (storage.Info, error) {
	began := time.Now()
	info, err := s.Store.Stat(ctx, key)
	s.measure(ctx, "stat", began, err)
	return info, err
}

// Delete implements [storage.Store].
func (s *store) Delete(ctx context.Context, key string) error {
	began := time.Now()
	err := s.Store.Delete(ctx, key)
	s.measure(ctx, "delete", began, err)
	return err
}

// List implements [storage.Store]. What is measured is the time until the first object
// comes: the rest is as fast as it is asked for.
func (s *store) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		began, first := time.Now(), true
		for info, err := range s.Store.List(ctx, prefix) {
			if first || err != nil {
				s.measure(ctx, "list", began, err)
			}
			first = false
			if !yield(info, err) {
				return
			}
		}
		if first {
			s.measure(ctx, "list", began, nil)
		}
	}
}
