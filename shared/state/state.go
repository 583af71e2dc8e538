// Package state records where each execution stands, in a KV bucket.
//
// A record is what operators look at and where attempts are counted; it decides
// nothing about results. It is changed only by compare-and-set, and a terminal
// record is written from the outcome that was read back, never from belief.
package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/conflict"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// ErrStale says that the record was changed by somebody else meanwhile.
var ErrStale = errors.New("record changed meanwhile")

// Record is where one generation of one execution stands.
type Record struct {
	execution.Key
	Version       int                   `json:"version,omitempty"` // of this format; 0 means 1
	State         execution.State       `json:"state"`
	RequestDigest string                `json:"request_digest"`
	Failures      int                   `json:"failures,omitempty"` // attempts that failed and were charged
	Crashes       int                   `json:"crashes,omitempty"`  // attempts that ended without a word
	Token         uint64                `json:"token,omitempty"`
	Attempt       string                `json:"attempt,omitempty"` // the one that committed
	Executor      string                `json:"executor,omitempty"`
	Host          string                `json:"host,omitempty"`
	Code          string                `json:"code,omitempty"`   // of the last failure
	Reason        string                `json:"reason,omitempty"` // of the last failure
	Summary       *execution.Summary    `json:"summary,omitempty"`
	Usage         *execution.Usage      `json:"usage,omitempty"`
	CachedFrom    *execution.CachedFrom `json:"cached_from,omitempty"`
	Why           *execution.Why        `json:"why,omitempty"` // its last attempt ran where it did
	Enqueued      time.Time             `json:"enqueued,omitzero"`
	Started       time.Time             `json:"started,omitzero"`
	Updated       time.Time             `json:"updated"`
}

// Version is the highest version of the record's format that this code knows.
const Version = 1

// check is whether a record, of which data could be read as r or not, is of a known version.
func check(r Record, data []byte, err error) error {
	if err != nil {
		return execution.CheckFormat("a record", data, Version)
	}
	return execution.CheckVersion("a record", r.Version, Version)
}

// Store keeps records in a bucket. Terminal ones expire after a while, because
// the outcome says the same for ever.
type Store struct {
	js  jetstream.JetStream
	kv  jetstream.KeyValue
	ttl time.Duration
}

// New returns a Store over kv that keeps terminal records for ttl.
func New(js jetstream.JetStream, kv jetstream.KeyValue, ttl time.Duration) *Store {
	return &Store{js: js, kv: kv, ttl: ttl}
}

// Load returns the record of k and its revision, or a record with only the key
// and revision 0 when there is none. What is not a record of k, because somebody
// else wrote there, is as good as none and can be overwritten. One of a version that is
// not known is [execution.ErrNewer].
func (s *Store) Load(ctx context.Context, k execution.Key) (Record, uint64, error) {
	entry, err := s.kv.Get(ctx, k.Path())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Record{Key: k}, 0, nil
	}
	if err != nil {
		return Record{}, 0, fmt.Errorf("load state of %s: %w", k, err)
	}
	var r Record
	err = json.Unmarshal(entry.Value(), &r)
	if newer := check(r, entry.Value(), err); newer != nil {
		return Record{}, 0, fmt.Errorf("load state of %s: %w", k, newer)
	}
	if err != nil {
		return Record{Key: k}, entry.Revision(), nil //nolint:nilerr // not a record of ours: as good as none
	}
	if r.Key != k {
		return Record{Key: k}, entry.Revision(), nil
	}
	return r, entry.Revision(), nil
}

// Save writes r if the revision is still the one loaded, and returns the new one.
// It returns ErrStale when it is not.
func (s *Store) Save(ctx context.Context, r Record, revision uint64) (uint64, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("save state of %s: %w", r.Key, err)
	}
	opts := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(revision)}
	if r.State.Terminal() {
		opts = append(opts, jetstream.WithMsgTTL(s.ttl))
	}
	ack, err := s.js.Publish(ctx, "$KV."+s.kv.Bucket()+"."+r.Path(), data, opts...)
	if conflict.Is(err) {
		return 0, fmt.Errorf("save state of %s at revision %d: %w", r.Key, revision, ErrStale)
	}
	if err != nil {
		return 0, fmt.Errorf("save state of %s: %w", r.Key, err)
	}
	return ack.Sequence, nil
}

// Scan calls see with the records whose last change is later than revision after
// and older than until, in the order of the changes, until see returns false. It
// returns the revision to go on from. A record that changed meanwhile is met at its
// new place. When the server has lost its last changes, or the bucket is another, it
// begins again.
func (s *Store) Scan(ctx context.Context, after uint64, until time.Time, see func(Record) bool) (uint64, error) {
	name := "KV_" + s.kv.Bucket()
	stream, err := s.js.Stream(ctx, name)
	if err != nil {
		return after, fmt.Errorf("scan states: %w", err)
	}
	switch now := stream.CachedInfo().State; {
	case now.LastSeq < after:
		after = 0
	case now.LastSeq == after:
		return after, nil
	}
	if stream.CachedInfo().State.Msgs == 0 {
		return after, nil
	}
	consumer, err := s.js.OrderedConsumer(ctx, name, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1, InactiveThreshold: time.Minute})
	if err != nil {
		return after, fmt.Errorf("scan states: %w", err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return after, fmt.Errorf("scan states: %w", err)
	}
	defer messages.Stop()
	for {
		const silence = 2 * time.Second // nothing is left of what was there when we began
		msg, err := messages.Next(jetstream.NextMaxWait(silence))
		if errors.Is(err, nats.ErrTimeout) || ctx.Err() != nil {
			return after, ctx.Err()
		}
		if err != nil {
			return after, fmt.Errorf("scan states: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil || !meta.Timestamp.Before(until) {
			return after, err
		}
		var r Record
		// What has no value, or is nobody's record, is an expiry or not ours. One of a newer
		// version is for newer readers.
		err = json.Unmarshal(msg.Data(), &r)
		ours := err == nil && check(r, msg.Data(), nil) == nil && strings.HasSuffix(msg.Subject(), "."+r.Path())
		if ours && !see(r) {
			return after, nil
		}
		if after = meta.Sequence.Stream; meta.NumPending == 0 {
			return after, nil
		}
	}
}

// Forget removes the record of k.
func (s *Store) Forget(ctx context.Context, k execution.Key) error {
	if err := s.kv.Purge(ctx, k.Path(), jetstream.PurgeTTL(time.Second)); err != nil {
		return fmt.Errorf("forget state of %s: %w", k, err)
	}
	return nil
}

// Watch calls see with the record of k as it is now, if there is one, and after
// each change, until see returns false or ctx ends.
func (s *Store) Watch(ctx context.Context, k execution.Key, see func(Record) bool) error {
	w, err := s.kv.Watch(ctx, k.Path())
	if err != nil {
		return fmt.Errorf("watch state of %s: %w", k, err)
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case entry, ok := <-w.Updates():
			if !ok {
				return fmt.Errorf("watch state of %s: the watch ended", k)
			}
			if entry == nil || entry.Operation() != jetstream.KeyValuePut {
				continue // the end of what was there, or an expiry
			}
			var r Record
			err := json.Unmarshal(entry.Value(), &r)
			if newer := check(r, entry.Value(), err); newer != nil {
				err = newer
			}
			if err != nil {
				return fmt.Errorf("watch state of %s: %w", k, err)
			}
			if !see(r) {
				return nil
			}
		}
	}
}
