package guard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// What stands and can't be read is neither repeated nor overwritten, and no attempt is
// charged: a worker that can read it comes.
func TestWhatNewerProgramsWroteIsLeftToThem(t *testing.T) {
	t.Parallel()
	k := attempt().Request.Key()
	stands := []byte(`{"version":2,"mailbox":"ventas","execution_id":"e1","generation":1,"kind":"SKIPPED"}` + "\n")
	record := []byte(`{"version":2,"mailbox":"ventas","execution_id":"e1","generation":1,"state":"RETRY_WAIT","failures":1}`)
	for name, tt := range map[string]struct {
		outcome, record bool // were there before
		meanwhile       bool // the outcome is committed while it works
		deliveries      int
	}{
		"an outcome": {outcome: true, deliveries: 1}, "a record": {record: true, deliveries: 1},
		"a record of what was delivered before": {record: true, deliveries: 2},
		"an outcome that comes first":           {meanwhile: true, deliveries: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			f.outcomes = outcome.New(objects)
			put := func() {
				if _, err := objects.Put(t.Context(), outcome.Path(k), bytes.NewReader(stands)); err != nil {
					t.Error(err)
				}
			}
			kv, err := f.js.KeyValue(t.Context(), bus.BucketState)
			if err != nil {
				t.Fatal(err)
			}
			if tt.outcome {
				put()
			}
			if tt.record {
				if _, err := kv.Put(t.Context(), k.Path(), record); err != nil {
					t.Fatal(err)
				}
			}
			runs := 0
			g := f.guard(func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
				runs++
				put()
				return f.commit(ctx, a)
			})
			a := attempt()
			a.Deliveries = tt.deliveries
			for range 4 { // more than may fail
				if _, err := g.Execute(t.Context(), a); !errors.Is(err, execution.ErrNewer) {
					t.Fatalf("got %v", err)
				}
				a.Deliveries++
			}
			if want := map[bool]int{true: 1}[tt.meanwhile]; runs != want {
				t.Errorf("executed %d times, want %d", runs, want)
			}
			if tt.record {
				if e, err := kv.Get(t.Context(), k.Path()); err != nil || !bytes.Equal(e.Value(), record) {
					t.Errorf("the record is %s, %v", e.Value(), err)
				}
			} else if r := f.record(t, k); r.Failures != 0 || r.State == execution.RetryWait {
				t.Errorf("charged: %+v", r)
			}
		})
	}
}

// A record with more in it is a record.
func TestARecordMayHaveMoreInIt(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	k := attempt().Request.Key()
	want := state.Record{Key: k, State: execution.RetryWait, RequestDigest: attempt().Request.Digest(), Failures: 1, Updated: time.Unix(9, 0).UTC()}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := f.js.KeyValue(t.Context(), bus.BucketState)
	if err == nil {
		_, err = kv.Put(t.Context(), k.Path(), append(bytes.TrimSuffix(text, []byte("}")), `,"region":{"name":"eu"}}`...))
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := f.record(t, k); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if _, err := f.guard(f.commit).Execute(t.Context(), attempt()); err != nil {
		t.Error(err)
	}
	if r := f.record(t, k); r.State != execution.Succeeded.Terminal() || r.Failures != 1 {
		t.Errorf("record %+v", r)
	}
}
