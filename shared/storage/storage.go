// Package storage keeps objects under slash-separated keys, in a directory or
// in an S3 bucket.
//
// What surprises: [Store.Create] is the commit point of the whole platform. It
// is write-once among any number of processes and machines, and the object is
// durable when it returns, whether it won or lost.
package storage

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Sentinels to branch on with [errors.Is]. They arrive wrapped in a fault that
// names the object.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("already exists")
)

// Info describes a stored object.
type Info struct {
	Key      string
	Size     int64     // bytes
	SHA256   string    // lower-case hex; only from Put
	Modified time.Time // zero from Put
}

// Store holds objects. It is safe for concurrent use.
//
// Every method refuses a malformed key with a permanent [CodeKeyInvalid] fault.
// Every other fault is worth a retry unless it is marked permanent. An error
// that ctx caused, or that reading the caller's data caused, arrives as itself.
//
// A key that is ever given to Create must never be given to Put: Put replaces
// whatever is there, and the write-once promise with it.
type Store interface {
	// Get opens the object at key, or reports ErrNotFound. ctx must live until
	// the reader is closed. A reader that ends in io.EOF has delivered the
	// whole object.
	Get(ctx context.Context, key string) (io.ReadCloser, error)

	// Put stores what r delivers at key, replacing what was there in one step:
	// a reader sees all of the old object or all of the new. It holds a bounded
	// part of the data in memory and returns once the object is durable.
	Put(ctx context.Context, key string, r io.Reader) (Info, error)

	// Create stores data at key unless anything is there already, which it
	// reports as ErrExists. On nil and on ErrExists alike, what key now holds is
	// complete and durable.
	//
	// After any other error the outcome is unknown: the object may have been
	// stored and only the reply lost. Even ErrExists may mean one's own
	// object, when a lost reply was retried below this interface. Data must
	// therefore name its author, and whoever gets an error reads the object back
	// to learn whose it is.
	Create(ctx context.Context, key string, data []byte) error

	// Stat describes the object at key, or reports ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)

	// Sync makes an object durable that was found by reading: its author may
	// have crashed, or be yet to finish, between making it visible and making
	// it durable. On S3 visible objects are durable and Sync does nothing.
	Sync(ctx context.Context, key string) error

	// List yields the objects whose keys begin with prefix (a prefix of the
	// string, not of path elements), ordered by the bytes of their keys. It ends
	// after the first error. Objects stored or deleted meanwhile may or may not
	// appear.
	List(ctx context.Context, prefix string) iter.Seq2[Info, error]

	// Delete removes the object at key. A missing object is no error.
	Delete(ctx context.Context, key string) error

	// URL returns what Open was given, normalised. It opens the same store.
	URL() string
}
