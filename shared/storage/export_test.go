package storage

import (
	"os"
	"testing"
	"time"
)

// NormalURL parses a store's URL and writes it again, without opening anything.
func NormalURL(rawURL string) (string, error) {
	loc, err := parse(rawURL)
	if err != nil {
		return "", err
	}
	return loc.String(), nil
}

// GoesTogether reports whether many Creates at once sync everything together.
func GoesTogether(s Store) bool { return s.(*dir).commits.whole != nil }

// Flusher is a flusher over a file system that a test makes up.
type Flusher struct{ flusher }

// System is such a file system.
type System interface {
	Covers(f *os.File) bool
	Sync() error
}

type madeUp struct{ System }

func (m madeUp) covers(f *os.File) bool { return m.Covers(f) }
func (m madeUp) sync() error            { return m.Sync() }

// NewFlusher returns one that waits for others for so long.
func NewFlusher(s System, slow time.Duration) *Flusher {
	return &Flusher{flusher{whole: madeUp{s}, slow: slow}}
}

func (f *Flusher) Sync(file *os.File) error { return f.sync(file) }

// Hold is as many callers alone as there may be, none of them done before release
// is called.
func (f *Flusher) Hold() (release func()) {
	var alone []*flush
	for range fewAlone {
		group, _ := f.join()
		alone = append(alone, group)
	}
	return func() {
		for _, group := range alone {
			f.end(group)
		}
	}
}

// Await waits until n callers have gathered.
func (f *Flusher) Await(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		f.mu.Lock()
		size := 0
		if f.next != nil {
			size = f.next.size
		}
		f.mu.Unlock()
		if size == n {
			return
		}
	}
	t.Fatalf("%d callers never gathered", n)
}
