package sim

import (
	"context"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// watcher tells a client of every change of the keys of a pattern.
type watcher struct {
	jetstream.KeyWatcher
	w               *world
	bucket, pattern string
	ignoreDeletes   bool
	metaOnly        bool
	updates         chan jetstream.KeyValueEntry
	stopped         bool
}

// unread is how many changes a watcher may be told that its reader, who may be dead,
// has not read.
const unread = 1024

func (kv *keyValue) WatchAll(ctx context.Context, opts ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	return kv.Watch(ctx, ">", opts...)
}

// Watch begins with what is there, as long as that is not declined, and then tells every
// change as soon as it is made: how late it may be is no question of the protocol's.
func (kv *keyValue) Watch(ctx context.Context, pattern string, opts ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	o, err := applied(opts)
	if err != nil {
		return nil, err
	}
	p := kv.client.p
	watch := &watcher{w: p.w, bucket: kv.bucket, pattern: kv.subject(pattern), ignoreDeletes: flagged(o, "ignoreDeletes"),
		metaOnly: flagged(o, "metaOnly"), updates: make(chan jetstream.KeyValueEntry, unread)}
	from, updatesOnly := uint64(field(o, "resumeFromRevision")), flagged(o, "updatesOnly")
	return call(ctx, p, "nats", "watch", stableSubject(watch.pattern), jetstream.ErrNoStreamResponse, func() (jetstream.KeyWatcher, error) {
		s := p.w.streams["KV_"+kv.bucket]
		s.watchers = append(slices.DeleteFunc(s.watchers, func(w *watcher) bool { return w.stopped }), watch)
		if updatesOnly {
			return watch, nil
		}
		for _, m := range s.msgs {
			if m.seq >= from {
				watch.tell(m)
			}
		}
		watch.updates <- nil // the end of what was there
		return watch, nil
	})
}

func (watch *watcher) Updates() <-chan jetstream.KeyValueEntry { return watch.updates }

func (watch *watcher) Stop() error {
	watch.w.mu.Lock()
	defer watch.w.mu.Unlock()
	if !watch.stopped {
		watch.stopped = true
		close(watch.updates)
	}
	return nil
}

// tell passes m on.
func (watch *watcher) tell(m *stored) {
	if watch.stopped || !matches(watch.pattern, m.subject) {
		return
	}
	raw := m.raw()
	if watch.metaOnly {
		raw.Data = nil
	}
	e := newEntry(watch.bucket, m.subject[len("$KV."+watch.bucket+"."):], raw)
	if watch.ignoreDeletes && e.op != jetstream.KeyValuePut {
		return
	}
	select {
	case watch.updates <- e:
	default: // nobody reads any more
	}
}

// tell passes m on to all who watch.
func (s *stream) tell(m *stored) {
	for _, watch := range s.watchers {
		watch.tell(m)
	}
}

// lister has the keys of a bucket.
type lister struct{ keys chan string }

func (l *lister) Keys() <-chan string { return l.keys }
func (l *lister) Stop() error         { return nil }

// ListKeys watches, as the client does, until it has seen what is there.
func (kv *keyValue) ListKeys(ctx context.Context, opts ...jetstream.WatchOpt) (jetstream.KeyLister, error) {
	w, err := kv.WatchAll(ctx, append(opts, jetstream.IgnoreDeletes(), jetstream.MetaOnly())...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }()
	var keys []string
	for e := range w.Updates() {
		if e == nil {
			break
		}
		keys = append(keys, e.Key())
	}
	l := &lister{keys: make(chan string, len(keys))}
	for _, key := range keys {
		l.keys <- key
	}
	close(l.keys)
	return l, nil
}
