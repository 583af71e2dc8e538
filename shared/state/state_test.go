package state_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/state"
)

var key = execution.Key{Mailbox: "ventas", ID: "e1", Generation: 1}

func open(t *testing.T, ttl time.Duration) *state.Store {
	t.Helper()
	js := bustest.Start(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	return state.New(js, kv, ttl)
}

func TestSaveComparesAndSets(t *testing.T) {
	t.Parallel()
	s := open(t, time.Hour)
	r, revision, err := s.Load(t.Context(), key)
	if err != nil || revision != 0 || r.Key != key {
		t.Fatalf("Load of nothing = %+v, %d, %v", r, revision, err)
	}
	r.State, r.Failures, r.Updated = execution.Running, 2, time.Unix(5, 0).UTC()
	first, err := s.Save(t.Context(), r, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), r, 0); !errors.Is(err, state.ErrStale) {
		t.Errorf("second creation: %v, want ErrStale", err)
	}
	if _, err := s.Save(t.Context(), r, first); err != nil {
		t.Error(err)
	}
	if _, err := s.Save(t.Context(), r, first); !errors.Is(err, state.ErrStale) {
		t.Errorf("stale Save: %v, want ErrStale", err)
	}
	got, _, err := s.Load(t.Context(), key)
	if diff := cmp.Diff(r, got); err != nil || diff != "" {
		t.Errorf("Load: %v\n%s", err, diff)
	}
}

func TestTerminalRecordsExpireAndOthersDoNot(t *testing.T) {
	t.Parallel()
	s := open(t, time.Second)
	running, done := key, key
	running.ID, done.ID = "running", "done"
	for k, st := range map[execution.Key]execution.State{running: execution.Running, done: execution.Succeeded.Terminal()} {
		if _, err := s.Save(t.Context(), state.Record{Key: k, State: st}, 0); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		_, revision, err := s.Load(t.Context(), done)
		if err != nil {
			t.Fatal(err)
		}
		if revision == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the terminal record never expired")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if _, revision, err := s.Load(t.Context(), running); err != nil || revision == 0 {
		t.Errorf("the running record is gone: %v", err)
	}
}

func TestWatchSeesNowAndLater(t *testing.T) {
	t.Parallel()
	s := open(t, time.Hour)
	revision, err := s.Save(t.Context(), state.Record{Key: key, State: execution.Running}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var seen []execution.State
	err = s.Watch(t.Context(), key, func(r state.Record) bool {
		seen = append(seen, r.State)
		if r.State == execution.Running {
			go func() {
				_, _ = s.Save(t.Context(), state.Record{Key: key, State: execution.Dead.Terminal()}, revision)
			}()
		}
		return !r.State.Terminal()
	})
	if diff := cmp.Diff([]execution.State{"RUNNING", "DEAD"}, seen); err != nil || diff != "" {
		t.Errorf("Watch: %v\n%s", err, diff)
	}
}

// A server that lost its last changes gives their revisions to others: who has read
// further than there is begins again.
func TestAScanBeginsAgainWhenRevisionsWentBack(t *testing.T) {
	t.Parallel()
	s := open(t, time.Hour)
	if _, err := s.Save(t.Context(), state.Record{Key: key, State: execution.Running}, 0); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[uint64]int{0: 1, 1: 0, 2: 1} {
		seen := 0
		next, err := s.Scan(t.Context(), after, time.Now().Add(time.Minute), func(state.Record) bool {
			seen++
			return true
		})
		if err != nil || seen != want || next != 1 {
			t.Errorf("after %d: %d records, and on from %d: %v; want %d, and from 1", after, seen, next, err, want)
		}
	}
}
