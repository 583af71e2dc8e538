package delegation_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
)

func open(t *testing.T, ttl time.Duration) (*delegation.Ledger, jetstream.KeyValue) {
	t.Helper()
	js := bustest.Start(t)
	kv, err := js.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	return delegation.New(js, kv, ttl), kv
}

func entry(id string) delegation.Entry {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return delegation.Entry{Key: execution.Key{Mailbox: "ventas", ID: id, Generation: 1}, Token: 7, Number: 2, State: delegation.Invoked,
		Function: "sage", Bridge: "b1", Mode: delegation.ModeSync, Class: "bulk", Reservation: "b1/3", ReservedUSD: 0.0125,
		Invoked: at, Expiry: at.Add(15 * time.Minute), Updated: at}
}

func TestAnEntryIsChangedByWhoeverReadItLast(t *testing.T) {
	t.Parallel()
	ledger, _ := open(t, time.Hour)
	e := entry("e1")
	first, err := ledger.Save(t.Context(), e, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, revision, err := ledger.Load(t.Context(), e.Key)
	if err != nil || revision != first || !cmp.Equal(got, e) {
		t.Errorf("loaded revision %d: %v\n%s", revision, err, cmp.Diff(e, got))
	}
	e.State, e.Billed = delegation.Ended, &execution.Usage{BilledMillis: 5, MemoryMB: 1024, CostUSD: 1e-7}
	if _, err := ledger.Save(t.Context(), e, revision); err != nil {
		t.Fatal(err)
	}
	for _, stale := range []uint64{0, revision} {
		if _, err := ledger.Save(t.Context(), entry("e1"), stale); !errors.Is(err, delegation.ErrStale) {
			t.Errorf("saved at revision %d: %v, want it to be stale", stale, err)
		}
	}
	if got, _, err := ledger.Load(t.Context(), e.Key); err != nil || !cmp.Equal(got, e) {
		t.Errorf("%v\n%s", err, cmp.Diff(e, got))
	}
}

// A bucket that is restored from an older copy gives revisions out again, and may say that
// what was over goes on: who has read further than there is begins again.
func TestTheLedgerIsReadAgainWhenRevisionsWentBack(t *testing.T) {
	t.Parallel()
	ledger, _ := open(t, time.Hour)
	if _, err := ledger.Save(t.Context(), entry("e1"), 0); err != nil {
		t.Fatal(err)
	}
	for revision, want := range map[uint64]int{0: 1, 1: 0, 2: 1} {
		seen := 0
		for found, err := range ledger.Since(t.Context(), revision) {
			if err != nil || found.Revision != 1 {
				t.Errorf("since %d: revision %d, %v", revision, found.Revision, err)
			}
			seen++
		}
		if seen != want {
			t.Errorf("since %d: %d entries, want %d", revision, seen, want)
		}
	}
}

func TestWhatIsOverExpires(t *testing.T) {
	t.Parallel()
	ledger, _ := open(t, time.Second)
	live, over := entry("live"), entry("over")
	over.State = delegation.Expired
	for _, e := range []delegation.Entry{live, over} {
		if _, err := ledger.Save(t.Context(), e, 0); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, revision, err := ledger.Load(t.Context(), over.Key)
		if err == nil && revision == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is still there: %v", err)
		}
	}
	var left []string
	for e, err := range ledger.Since(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, e.ID)
	}
	if !slices.Equal(left, []string{"live"}) {
		t.Errorf("left %q", left)
	}
}

// Anyone who may write to the bucket can write nonsense there.
func TestWhatIsNoEntryIsAsGoodAsNone(t *testing.T) {
	t.Parallel()
	ledger, kv := open(t, time.Hour)
	const good = `{"mailbox":"ventas","execution_id":"e1","generation":1,"token":7,"number":1,"state":"invoked","function":"f",` +
		`"bridge":"b","mode":"sync","reserved_usd":0,"invoked":"2026-11-23T12:00:00Z","expiry":"2026-11-23T12:15:00Z","updated":"2026-11-23T12:00:00Z"`
	k := entry("e1").Key
	if _, err := kv.Put(t.Context(), k.Path(), []byte(good+"}")); err != nil {
		t.Fatal(err)
	}
	if e, _, err := ledger.Load(t.Context(), k); err != nil || e.State != delegation.Invoked {
		t.Fatalf("the good one is read as %+v, %v", e, err)
	}
	for name, text := range map[string]string{
		"no JSON": "x", "more after it": good + "}{}", "no end": good, "a number of words": good + `,"number":"one"}`,
		"another's": `{"mailbox":"ventas","execution_id":"e2"` + good[len(`{"mailbox":"ventas","execution_id":"e1"`):] + "}",
		"no state":  strings.Replace(good, `"state":"invoked",`, "", 1) + "}",
	} {
		if _, err := kv.Put(t.Context(), k.Path(), []byte(text)); err != nil {
			t.Fatal(err)
		}
		e, revision, err := ledger.Load(t.Context(), k)
		if err != nil || revision == 0 || !cmp.Equal(e, delegation.Entry{Key: k}) {
			t.Errorf("%s: %+v at %d, %v", name, e, revision, err)
			continue
		}
		if _, err := ledger.Save(t.Context(), entry("e1"), revision); err != nil {
			t.Errorf("%s can't be overwritten: %v", name, err)
		}
	}
}

// What a newer bridge has written may be under way, whatever else it says.
func TestANewerEntryIsLiveUntilItsExpiry(t *testing.T) {
	t.Parallel()
	ledger, kv := open(t, time.Hour)
	good := entry("e1")
	text, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	change := func(name, value string) string {
		return strings.TrimSuffix(string(text), "}") + `,"` + name + `":` + value + "}"
	}
	for name, tt := range map[string]struct {
		text  string
		newer bool
	}{
		"a field more":    {change("region", `{"name":"eu-west-1"}`), false},
		"another version": {change("version", "2"), true},
		"another form":    {`{"version":2,"mailbox":"ventas","execution_id":"e1","generation":1,"state":{"of":[1]},"expiry":"2026-11-23T12:15:00Z"}`, true},
		"another state":   {change("state", `"paused"`), true},
		"another mode":    {change("mode", `"stream"`), true},
	} {
		if _, err := kv.Put(t.Context(), good.Path(), []byte(tt.text)); err != nil {
			t.Fatal(err)
		}
		e, revision, err := ledger.Load(t.Context(), good.Key)
		if err != nil || revision == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		if !tt.newer && !cmp.Equal(e, good) {
			t.Errorf("%s:\n%s", name, cmp.Diff(good, e))
		}
		if e.Newer() != tt.newer || !e.Live(good.Expiry.Add(-time.Second)) || e.Live(good.Expiry) {
			t.Errorf("%s: %+v", name, e)
		}
		if _, err := ledger.Save(t.Context(), e, revision); tt.newer != errors.Is(err, execution.ErrNewer) {
			t.Errorf("%s: written again: %v", name, err)
		}
	}
}

func TestNoNonsenseIsWritten(t *testing.T) {
	t.Parallel()
	ledger, _ := open(t, time.Hour)
	for name, spoil := range map[string]func(*delegation.Entry){
		"no state":       func(e *delegation.Entry) { e.State = "" },
		"no mode":        func(e *delegation.Entry) { e.Mode = "" },
		"a debt":         func(e *delegation.Entry) { e.ReservedUSD = -1 },
		"no number":      func(e *delegation.Entry) { e.ReservedUSD = math.NaN() },
		"a negative fee": func(e *delegation.Entry) { e.Billed = &execution.Usage{CostUSD: -1} },
		"no expiry":      func(e *delegation.Entry) { e.Expiry = time.Time{} },
		"no key":         func(e *delegation.Entry) { e.ID = "a.b" },
	} {
		e := entry("e1")
		spoil(&e)
		if _, err := ledger.Save(t.Context(), e, 0); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	e := entry("e1")
	for state, live := range map[delegation.State]bool{
		delegation.Invoked: true, delegation.Running: true, delegation.Unknown: true, "": false,
		delegation.Ended: false, delegation.Failed: false, delegation.Refused: false, delegation.Expired: false,
	} {
		e.State = state
		if e.Live(e.Expiry.Add(-time.Second)) != live || e.Live(e.Expiry) {
			t.Errorf("%q: want live %v before the expiry, and never after", state, live)
		}
	}
}
