package simulate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/planning"
)

// burst is n executions that came at once and took a worker a second each.
func burst(n int) []planning.Past {
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	past := make([]planning.Past, n)
	for i := range past {
		from := begin.Add(time.Duration(i) * time.Second)
		past[i] = planning.Past{Enqueued: begin, Started: from, Finished: from.Add(time.Second), Bytes: 1e6}
	}
	return past
}

func question() planning.Question {
	return planning.Question{Deadline: 10 * time.Second, LatePercent: 1, Replicas: []int{1, 4}, Slots: 4, ReplicaUSD: 0.17, MemoryMB: 1024,
		GBSecondUSD: 0.0000133334, RequestUSD: 2e-7, Concurrency: 1000, Policy: "local", Now: 1}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	a, err := simulate.Answer(t.Context(), burst(100), question())
	if err != nil || len(a.Options) != 2*len(simulate.Policies) || a.Replay.Offloaded != 0 || a.Observed.P99 != 100 {
		t.Errorf("%+v, %v", a, err)
	}
	if cheapest, kept := a.Cheapest(); !kept || cheapest.Missed > 1 {
		t.Errorf("the cheapest is %+v", cheapest)
	}
	if _, err := simulate.Answer(t.Context(), nil, question()); fault.CodeOf(err) != planning.CodeNoHistory {
		t.Errorf("without history: %v", err)
	}
}

// Whoever asked and has gone stops what was begun for them, also within one run.
func TestAnswerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	q := question()
	q.Replicas = []int{1, 2, 3, 4, 5, 6, 7, 8}
	began := time.Now()
	_, err := simulate.Answer(ctx, burst(100_000), q)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

func BenchmarkAnswer(b *testing.B) {
	past, q := burst(10_000), question()
	q.Replicas = []int{1, 2, 4, 8}
	for b.Loop() {
		if _, err := simulate.Answer(b.Context(), past, q); err != nil {
			b.Fatal(err)
		}
	}
}
