package sim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// keyValue is a bucket. It makes the same requests as the client library's own.
type keyValue struct {
	jetstream.KeyValue
	client *client
	bucket string
}

func (kv *keyValue) Bucket() string { return kv.bucket }

func (kv *keyValue) subject(key string) string { return "$KV." + kv.bucket + "." + key }

// entry is a value, or the mark of a deletion.
type entry struct {
	jetstream.KeyValueEntry
	bucket string
	m      *jetstream.RawStreamMsg
	key    string
	op     jetstream.KeyValueOp
}

func newEntry(bucket, key string, m *jetstream.RawStreamMsg) *entry {
	e := &entry{bucket: bucket, key: key, m: m}
	switch {
	case m.Header.Get(headerKVOperation) == kvDelete:
		e.op = jetstream.KeyValueDelete
	case m.Header.Get(headerKVOperation) == kvPurge || m.Header.Get(jetstream.MarkerReasonHeader) != "":
		e.op = jetstream.KeyValuePurge
	}
	return e
}

func (e *entry) Bucket() string                  { return e.bucket }
func (e *entry) Key() string                     { return e.key }
func (e *entry) Value() []byte                   { return e.m.Data }
func (e *entry) Revision() uint64                { return e.m.Sequence }
func (e *entry) Created() time.Time              { return e.m.Time }
func (e *entry) Operation() jetstream.KeyValueOp { return e.op }

// get returns the entry of key also when it is the mark of a deletion, with
// ErrKeyDeleted.
func (kv *keyValue) get(ctx context.Context, key string) (*entry, error) {
	m, err := kv.client.get(ctx, "KV_"+kv.bucket, kv.subject(key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, jetstream.ErrKeyNotFound
	}
	if err != nil {
		return nil, err
	}
	e := newEntry(kv.bucket, key, m)
	if e.op != jetstream.KeyValuePut {
		return e, jetstream.ErrKeyDeleted
	}
	return e, nil
}

func (kv *keyValue) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	e, err := kv.get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyDeleted) {
		return nil, jetstream.ErrKeyNotFound
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (kv *keyValue) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return revisionOf(kv.client.Publish(ctx, kv.subject(key), value))
}

func (kv *keyValue) Create(ctx context.Context, key string, value []byte, opts ...jetstream.KVCreateOpt) (uint64, error) {
	o, err := applied(opts)
	if err != nil {
		return 0, err
	}
	ttl := time.Duration(field(o, "ttl"))
	revision, err := kv.update(ctx, key, value, 0, ttl)
	if err == nil {
		return revision, nil
	}
	if e, gone := kv.get(ctx, key); errors.Is(gone, jetstream.ErrKeyDeleted) {
		return kv.update(ctx, key, value, e.Revision(), ttl)
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return 0, fmt.Errorf("%w: %w", err, jetstream.ErrKeyExists)
	}
	return 0, err
}

func (kv *keyValue) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return kv.update(ctx, key, value, revision, 0)
}

func (kv *keyValue) update(ctx context.Context, key string, value []byte, revision uint64, ttl time.Duration) (uint64, error) {
	opts := []jetstream.PublishOpt{jetstream.WithExpectLastSequencePerSubject(revision)}
	if ttl > 0 {
		opts = append(opts, jetstream.WithMsgTTL(ttl))
	}
	return revisionOf(kv.client.Publish(ctx, kv.subject(key), value, opts...))
}

func revisionOf(ack *jetstream.PubAck, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

func (kv *keyValue) Purge(ctx context.Context, key string, opts ...jetstream.KVDeleteOpt) error {
	o, err := applied(opts)
	if err != nil {
		return err
	}
	m := nats.NewMsg(kv.subject(key))
	m.Header.Set(headerKVOperation, kvPurge)
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	if ttl := field(o, "ttl"); ttl > 0 {
		m.Header.Set(jetstream.MsgTTLHeader, time.Duration(ttl).String())
	}
	if revision := field(o, "revision"); revision > 0 {
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatInt(revision, 10))
	}
	_, err = kv.client.PublishMsg(ctx, m)
	return err
}
