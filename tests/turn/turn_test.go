//go:build unix

package turn

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

func TestWhoIsAloneIsAlone(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "machine")
	leave := enter(name, exclusive)
	var busy atomic.Bool
	entered := make(chan func())
	go func() {
		done := enter(name, shared)
		busy.Store(true)
		entered <- done
	}()
	time.Sleep(100 * time.Millisecond)
	if busy.Load() {
		t.Error("a busy package began beside one that is alone")
	}
	leave()
	(<-entered)()
}

func TestBusyPackagesKeepNobodyWaitingForEver(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "machine")
	first := enter(name, shared)
	second := enter(name, shared) // beside the first
	alone := make(chan func())
	go func() { alone <- enter(name, exclusive) }()
	for { // until somebody waits to be alone
		release, ok := try(name+".door", shared)
		if !ok {
			break
		}
		release()
		time.Sleep(time.Millisecond)
	}
	third := make(chan func())
	go func() { third <- enter(name, shared) }()
	first()
	second()
	select {
	case leave := <-alone:
		leave()
	case <-third:
		t.Fatal("a busy package went before one that had waited to be alone")
	}
	(<-third)()
}
