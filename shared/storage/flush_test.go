package storage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/storage"
)

// system is a file system whose sync takes until it is let go.
type system struct {
	began chan struct{}
	let   chan error
}

func newSystem() system { return system{make(chan struct{}, 100), make(chan error, 100)} }

func (s system) Covers(*os.File) bool { return true }

func (s system) Sync() error {
	s.began <- struct{}{}
	return <-s.let
}

// How long who goes with others waits for them: longer than any test, or a moment.
const patient, impatient = time.Hour, 20 * time.Millisecond

// A sync that is under way covers nothing of those who come meanwhile.
func TestFlushWaitsForTheNext(t *testing.T) {
	t.Parallel()
	fs := newSystem()
	g := storage.NewFlusher(fs, patient)
	var wg sync.WaitGroup
	done := make(chan int, 10)
	goSync := func(id int, f *os.File) {
		wg.Go(func() {
			if err := g.Sync(f); err != nil {
				t.Errorf("Sync %d = %v", id, err)
			}
			done <- id
		})
	}
	hold := g.Hold() // as if a few were at it alone
	goSync(1, temp(t))
	goSync(2, temp(t))
	g.Await(t, 2)
	hold()
	<-fs.began // for 1 and 2
	goSync(3, temp(t))
	goSync(4, temp(t))
	g.Await(t, 2)
	fs.let <- nil
	if a, b := <-done, <-done; a+b != 3 {
		t.Fatalf("%d and %d ended, want 1 and 2", a, b)
	}
	<-fs.began // for 3 and 4
	select {
	case id := <-done:
		t.Errorf("%d ended before the sync that began after it came", id)
	default:
	}
	fs.let <- nil
	wg.Wait()
}

func temp(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// An error is told once and says nothing of whose it is: everyone, in this group
// and those after it, finds out by syncing what is its own.
func TestFlushFailsForNoneButItsOwn(t *testing.T) {
	t.Parallel()
	fs := newSystem()
	g := storage.NewFlusher(fs, patient)
	failing := temp(t)
	_ = failing.Close() // its own sync fails
	errs := make(chan error, 2)
	hold := g.Hold()
	go func() { errs <- g.Sync(temp(t)) }()
	g.Await(t, 1)
	go func() { errs <- g.Sync(failing) }()
	g.Await(t, 2)
	hold()
	<-fs.began
	late := make(chan error, 2)
	for range 2 {
		go func() { late <- g.Sync(failing) }()
	}
	g.Await(t, 2)
	fs.let <- errors.New("input/output error")
	fs.let <- nil // to a second sync, which would keep silent
	if a, b := <-errs, <-errs; (a == nil) == (b == nil) {
		t.Errorf("%v and %v, want an error of the failing file and none of the other", a, b)
	}
	for range 2 {
		if err := <-late; !errors.Is(err, os.ErrClosed) {
			t.Errorf("of a later group: %v, want the file's own error", err)
		}
	}
	if err := g.Sync(failing); err == nil || len(fs.began) > 0 {
		t.Errorf("%v after %d more syncs of everything, want the file's own error and none", err, len(fs.began))
	}
}

// Alone, and while the whole file system is slow, everyone syncs its own.
func TestFlushLeavesASlowSystemAlone(t *testing.T) {
	t.Parallel()
	fs := newSystem()
	g := storage.NewFlusher(fs, impatient)
	if err := g.Sync(temp(t)); err != nil || len(fs.began) > 0 {
		t.Errorf("alone: %v, everything synced %d times", err, len(fs.began))
	}
	var wg sync.WaitGroup
	hold := g.Hold()
	for range 2 {
		wg.Go(func() {
			if err := g.Sync(temp(t)); err != nil {
				t.Error(err)
			}
		})
	}
	g.Await(t, 2)
	hold()
	<-fs.began
	time.Sleep(5 * impatient)
	fs.let <- nil
	wg.Wait()
	for range 20 {
		wg.Go(func() {
			if err := g.Sync(temp(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(fs.began) > 0 {
		t.Errorf("everything was synced %d times although that is slow", len(fs.began))
	}
}

// While everything takes long to sync, because others wrote much, nobody waits for that
// but who called it.
func TestFlushStopsWaitingForASlowSystem(t *testing.T) {
	t.Parallel()
	fs := newSystem()
	g := storage.NewFlusher(fs, impatient)
	defer close(fs.let)
	done := make(chan error, 4)
	goSync := func() { done <- g.Sync(temp(t)) }
	hold := g.Hold()
	for range 2 { // one of them syncs everything, one waits for that
		go goSync()
	}
	g.Await(t, 2)
	hold()
	<-fs.began
	for range 2 { // they gather for the next
		go goSync()
	}
	for n := range 3 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%d of 3 went on", n)
		}
	}
	if err := g.Sync(temp(t)); err != nil || len(fs.began) > 0 {
		t.Errorf("%v after %d more syncs of everything", err, len(fs.began))
	}
	select {
	case <-done:
		t.Error("who syncs everything did not wait for it")
	default:
	}
	fs.let <- nil
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A Create whose context has ended neither fails nor holds up the others.
func TestDirTogetherCancelled(t *testing.T) {
	t.Parallel()
	s := open(t, fileURL(t.TempDir()))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			ctx, want := t.Context(), error(nil)
			if i%4 == 0 {
				ctx, want = ended, context.Canceled
			}
			if err := s.Create(ctx, fmt.Sprintf("d/%d", i), nil); !errors.Is(err, want) {
				t.Errorf("Create %d = %v, want %v", i, err, want)
			}
		})
	}
	wg.Wait()
	if got := len(list(t, s, "")); got != 30 {
		t.Errorf("%d objects, want 30", got)
	}
}
