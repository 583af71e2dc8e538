package console

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
)

// history is a ledger with one execution in each of two mailboxes: ventas on a
// Lambda, and compras on a worker, where it died.
func history(t *testing.T, now time.Time) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), "sqlite://"+filepath.ToSlash(filepath.Join(t.TempDir(), "ledger")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	accepted := now.Add(-5 * time.Minute)
	for mailbox, kind := range map[string]execution.Kind{"ventas": execution.Succeeded, "compras": execution.Dead} {
		data := execution.EventData{Key: execution.Key{Mailbox: mailbox, ID: "e1", Generation: 1}, State: execution.Running, Number: 1,
			Executor: execution.OnWorker, Enqueued: accepted, Started: accepted.Add(2 * time.Second)}
		if mailbox == "ventas" {
			data.Executor = execution.OnLambda
		}
		begun := execution.NewEvent(execution.EventStarted, "host-1", data.Started, data)
		if mailbox == "ventas" {
			data.Usage = &execution.Usage{BilledMillis: 100, MemoryMB: 512, CostUSD: 0.25}
		}
		data.State, data.Attempt, data.Code, data.Finished = kind.Terminal(), "7-A", "X", accepted.Add(3*time.Second)
		if err := l.Record(t.Context(), begun, execution.NewEvent(kind.EventKind(), "host-1", data.Finished, data)); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// The last hour is of the visitor's mailboxes and of no other.
func TestTheLastHourIsOfTheVisitorsMailboxes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	trends := newTrends(history(t, now))
	for name, tt := range map[string]struct {
		mailboxes   []string
		count, dead int
		overflow    float64
		cost        float64
	}{
		"all":     {nil, 2, 1, 0.5, 0.25},
		"ventas":  {[]string{"ventas"}, 1, 0, 1, 0.25},
		"compras": {[]string{"compras"}, 1, 1, 0, 0},
		"both":    {[]string{"ventas", "compras"}, 2, 1, 0.5, 0.25},
		"none":    {[]string{}, 0, 0, 0, 0},
	} {
		buckets, dead, err := trends.of(t.Context(), tt.mailboxes, now)
		if err != nil {
			t.Fatal(err)
		}
		h, err := newHour(known["en"], buckets)
		if err != nil {
			t.Fatal(err)
		}
		if h.Count != tt.count || dead != tt.dead || h.Overflow != tt.overflow || h.Cost != tt.cost {
			t.Errorf("%s: %d accepted, %d dead, %v by Lambda for %v; want %+v", name, h.Count, dead, h.Overflow, h.Cost, tt)
		}
		if tt.count > 0 && (h.P99 < 2*time.Second || h.P99 > 2100*time.Millisecond) {
			t.Errorf("%s: waits p99 %v, want 2 s", name, h.P99)
		}
	}
}

// However many look, the ledger sums up once, and again when that is old.
func TestTheLastHourIsSummedUpOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := history(t, now)
	trends := newTrends(l)
	first, _, err := trends.of(t.Context(), nil, now)
	if err != nil {
		t.Fatal(err)
	}
	data := execution.EventData{Key: execution.Key{Mailbox: "ventas", ID: "e2", Generation: 1}, State: execution.Running, Number: 1,
		Executor: execution.OnWorker, Enqueued: now.Add(-time.Minute), Started: now}
	if err := l.Record(t.Context(), execution.NewEvent(execution.EventStarted, "host-1", now, data)); err != nil {
		t.Fatal(err)
	}
	again, _, err := trends.of(t.Context(), nil, now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("summed up anew after a second (-first +again):\n%s", diff)
	}
	later, _, err := trends.of(t.Context(), nil, now.Add(10*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if h, err := newHour(known["en"], later); err != nil || h.Count != 3 {
		t.Errorf("%d accepted after ten minutes, want 3: %v", h.Count, err)
	}
}
