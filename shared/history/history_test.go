package history_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// A judge that can't find anything proves nothing: each violation is made on
// purpose, and must be found.
func TestCheckFindsEachViolation(t *testing.T) {
	t.Parallel()
	key := execution.Key{Mailbox: "ventas", ID: "e1", Generation: 1}
	stored := func(kind execution.Kind, attempt string) *execution.Outcome {
		return &execution.Outcome{Key: key, Kind: kind, Attempt: attempt, Executor: execution.OnWorker}
	}
	told := func(kind execution.Kind, attempt string) execution.EventData {
		return execution.EventData{Key: key, State: kind.Terminal(), Attempt: attempt, Usage: &execution.Usage{CostUSD: 1}}
	}
	tests := map[string]struct {
		stored        *execution.Outcome
		told          []execution.EventData
		lost, doubled int
		findings      int
		cost          float64
	}{
		"all is well":              {stored: stored(execution.Succeeded, "a"), told: []execution.EventData{told(execution.Succeeded, "a")}, cost: 1},
		"told twice, the same":     {stored: stored(execution.Succeeded, "a"), told: []execution.EventData{told(execution.Succeeded, "a"), told(execution.Succeeded, "a")}, cost: 1},
		"lost":                     {lost: 1, findings: 1},
		"lost, though told":        {told: []execution.EventData{told(execution.Succeeded, "a")}, lost: 1, findings: 1, cost: 1},
		"two attempts committed":   {stored: stored(execution.Succeeded, "a"), told: []execution.EventData{told(execution.Succeeded, "a"), told(execution.Succeeded, "b")}, doubled: 1, findings: 1, cost: 2},
		"told another kind":        {stored: stored(execution.Dead, "a"), told: []execution.EventData{told(execution.Succeeded, "a")}, findings: 1, cost: 1},
		"another attempt was told": {stored: stored(execution.Succeeded, "a"), told: []execution.EventData{told(execution.Succeeded, "b")}, findings: 1, cost: 1},
		"the end was not told":     {stored: stored(execution.Succeeded, "a"), findings: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := bustest.Start(t)
			objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			outcomes := outcome.New(objects)
			if tt.stored != nil {
				if _, err := outcomes.Commit(t.Context(), *tt.stored, nil); err != nil {
					t.Fatal(err)
				}
			}
			for _, data := range tt.told {
				e := execution.NewEvent(execution.EventSucceeded, "h", time.Now(), data)
				if err := event.New(js, bus.SubjectEvent).Publish(execution.EventSucceeded, e)(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			r, err := history.Check(t.Context(), js, outcomes, []execution.Key{key})
			if err != nil {
				t.Fatal(err)
			}
			got := []float64{float64(r.Lost), float64(r.Doubled), float64(len(r.Findings)), r.CostUSD}
			want := []float64{float64(tt.lost), float64(tt.doubled), float64(tt.findings), tt.cost}
			if diff := cmp.Diff(want, got); diff != "" || r.Clean() != (tt.findings == 0) {
				t.Errorf("lost, doubled, findings, cost: %s%v", diff, r.Findings)
			}
		})
	}
}
