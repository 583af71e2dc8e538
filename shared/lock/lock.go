// Package lock lets one executor at a time hold a name, over a KV bucket.
//
// The lock only saves work: what makes a result unique is the write-once outcome.
// A lease that is not renewed expires on the server, so a dead holder blocks
// nobody for longer than the TTL. Renewing publishes to the bucket's subject by
// hand, because the client's Update drops the key's TTL and would make a lock
// that never expires.
package lock

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/conflict"
)

// ErrLost says that a lease is no longer the holder's: it expired, or somebody
// purged it.
var ErrLost = errors.New("lock lost")

// HeldError says that somebody else holds the lock.
type HeldError struct {
	Owner     string
	Remaining time.Duration // until it expires unless renewed; an estimate
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("held by %s for at most %v", e.Owner, e.Remaining.Round(time.Millisecond))
}

// Locker hands out leases on the keys of one bucket.
type Locker struct {
	js    jetstream.JetStream
	kv    jetstream.KeyValue
	ttl   time.Duration
	owner string
	seen  seen
}

// New returns a Locker over kv whose leases expire ttl (at least 1 s, whole
// seconds are the server's precision) after their last renewal. owner names the
// holder, for whoever reads the bucket.
func New(js jetstream.JetStream, kv jetstream.KeyValue, ttl time.Duration, owner string) *Locker {
	return &Locker{js: js, kv: kv, ttl: ttl, owner: owner}
}

// Acquire takes the lock on name, or returns a *HeldError.
func (l *Locker) Acquire(ctx context.Context, name string) (*Lease, error) {
	value := []byte(l.owner + " " + rand.Text())
	revision, err := l.kv.Create(ctx, name, value, jetstream.KeyTTL(l.ttl))
	if errors.Is(err, jetstream.ErrKeyExists) {
		return nil, l.held(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return &Lease{locker: l, name: name, value: value, Token: revision, revision: revision}, nil
}

func (l *Locker) held(ctx context.Context, name string) error {
	const soon = 50 * time.Millisecond
	entry, err := l.kv.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return &HeldError{Owner: "nobody any more", Remaining: soon}
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	remaining := time.Until(entry.Created().Add(l.ttl)) // clocks differ: bounded both ways
	if l.seen.since(name, entry.Revision()) > overdue*l.ttl {
		// Whoever holds it renews it, and the server forgets it otherwise: this is no lock, or
		// one that the server forgot to forget.
		zerolog.Ctx(ctx).Warn().Str("lock", name).Time("renewed", entry.Created()).Msg("lock outlived its time and is removed")
		err := l.kv.Purge(ctx, name, jetstream.LastRevision(entry.Revision()), jetstream.PurgeTTL(time.Second))
		if err != nil && !conflict.Is(err) {
			return fmt.Errorf("lock %s: remove what is no lock: %w", name, err)
		}
	}
	owner, _, _ := strings.Cut(string(entry.Value()), " ")
	return &HeldError{Owner: owner, Remaining: min(max(remaining, soon), l.ttl)}
}

// Held reports whether somebody holds the lock on name.
func (l *Locker) Held(ctx context.Context, name string) (bool, error) {
	_, err := l.kv.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", name, err)
	}
	return true, nil
}

// Break takes the lock on name away from whoever holds it.
func (l *Locker) Break(ctx context.Context, name string) error {
	if err := l.kv.Purge(ctx, name, jetstream.PurgeTTL(time.Second)); err != nil {
		return fmt.Errorf("break lock %s: %w", name, err)
	}
	return nil
}

// Lease is a lock that is held. It is not safe for concurrent use, and [Lease.Keep]
// counts as a use until it is stopped.
type Lease struct {
	// Token fences: it is the revision at which the lock was acquired, so every
	// later holder has a larger one.
	Token uint64

	locker   *Locker
	name     string
	value    []byte // no other lease's
	revision uint64 // of the last renewal
}

// Renew starts the TTL anew. It returns ErrLost when the lock is not held any more.
func (l *Lease) Renew(ctx context.Context) error {
	subject := "$KV." + l.locker.kv.Bucket() + "." + l.name
	ack, err := l.locker.js.Publish(ctx, subject, l.value,
		jetstream.WithMsgTTL(l.locker.ttl), jetstream.WithExpectLastSequencePerSubject(l.revision))
	if conflict.Is(err) {
		return l.adopt(ctx)
	}
	if err != nil {
		return fmt.Errorf("renew %s: %w", l.name, err)
	}
	l.revision = ack.Sequence
	return nil
}

// adopt goes on from an earlier renewal of this lease whose answer was lost.
func (l *Lease) adopt(ctx context.Context) error {
	entry, err := l.locker.kv.Get(ctx, l.name)
	if err != nil || !bytes.Equal(entry.Value(), l.value) {
		return fmt.Errorf("renew %s: %w", l.name, ErrLost)
	}
	l.revision = entry.Revision()
	return nil
}

// Release gives the lock back if it is still held.
func (l *Lease) Release(ctx context.Context) error {
	err := l.locker.kv.Purge(ctx, l.name, jetstream.LastRevision(l.revision), jetstream.PurgeTTL(time.Second))
	if conflict.Is(err) {
		return fmt.Errorf("release %s: %w", l.name, ErrLost)
	}
	if err != nil {
		return fmt.Errorf("release %s: %w", l.name, err)
	}
	return nil
}

// renewAside renews on a stack that is gone afterwards: those of a thousand leases that wait
// for their next renewal would hold as much as one that is under way needs.
func (l *Lease) renewAside(ctx context.Context) error {
	done := make(chan error)
	go func() { done <- l.Renew(ctx) }()
	return <-done
}

// Keep renews the lease every third of its TTL until stop is called, which waits
// for a renewal under way. When the lease is lost, or can't be renewed for a whole
// TTL, the returned context is cancelled with ErrLost as its cause.
func (l *Lease) Keep(ctx context.Context) (held context.Context, stop func()) {
	held, cancel := context.WithCancelCause(ctx)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(l.locker.ttl / 3)
		defer ticker.Stop()
		renewed := time.Now()
		for {
			select {
			case <-quit:
				return
			case <-held.Done():
				return
			case <-ticker.C:
			}
			select {
			case <-quit: // both were ready, and chance chose
				return
			default:
			}
			attempt, release := context.WithTimeout(held, l.locker.ttl/3)
			err := l.renewAside(attempt)
			release()
			switch {
			case err == nil:
				renewed = time.Now()
			case errors.Is(err, ErrLost) || time.Since(renewed) > l.locker.ttl:
				cancel(fmt.Errorf("%w: %w", ErrLost, err))
				return
			}
		}
	}()
	return held, func() {
		close(quit)
		<-done
		cancel(context.Canceled)
	}
}
