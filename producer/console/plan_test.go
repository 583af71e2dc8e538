package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/planning"
)

// answers is a planner that doesn't simulate: one worker misses much, more cost more.
func answers(_ context.Context, past []planning.Past, q planning.Question) (planning.Answer, error) {
	if len(past) == 0 {
		return planning.Answer{}, fault.New(planning.CodeNoHistory, "no past executions")
	}
	a := planning.Answer{Assumed: planning.Assumed{Jobs: len(past)}, LatePercent: q.LatePercent, Deadline: q.Deadline.Seconds(), ReplayOf: q.Policy, ReplayWith: q.Now}
	for i, n := range q.Replicas {
		a.Options = append(a.Options, planning.Option{Policy: "sized", Replicas: n, Cheapest: i == 1, Pareto: true,
			Result: planning.Result{Missed: 40 / float64(n*n), PerThousand: 0.25 * float64(n)}})
	}
	return a, nil
}

func TestPlanPage(t *testing.T) {
	t.Parallel()
	s := serve(t, Parts{Access: as{Name: "eva", Role: access.Viewer, Mailboxes: []string{"ventas"}}, Ledger: history(t, time.Now()), Plan: answers})
	answer := do(t, s, http.MethodGet, "/plan?deadline=30&late=5&workers=1,+8,8&memory=512", nil, nil)
	page := body(t, answer)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", answer.StatusCode, page)
	}
	for _, want := range []string{"8 workers with policy sized cost least while at most 5 % take longer than 30.0 s: $2.00", `<svg class="frontier" role="img" aria-label="Chart of cost`,
		`value="1, 8,8"`, "1 execution<", "sage plan --deadline 30s --late 5 --since 24h --replicas 1,8,8 --slots 4 --memory 512<"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page doesn't say %q", want)
		}
	}
	if strings.Contains(page, " style=") || strings.Contains(page, "<style") {
		t.Error("the page has a style of its own")
	}
	if n := strings.Count(page, `class="point `); n != 2 {
		t.Errorf("%d points of 2", n)
	}
	// What isn't the visitor's is as if it weren't there.
	if page := body(t, do(t, s, http.MethodGet, "/plan?mailbox=compras", nil, nil)); !strings.Contains(page, "No execution has ended") {
		t.Errorf("another's mailbox:\n%s", page)
	}
}

func TestPlanRefusesQuestions(t *testing.T) {
	t.Parallel()
	s := serve(t, Parts{Access: operator, Ledger: history(t, time.Now()), Plan: answers})
	for query, field := range map[string]string{"deadline=0": "deadline", "deadline=x": "deadline", "deadline=NaN": "deadline", "late=101": "late", "workers=": "workers",
		"workers=0": "workers", "workers=501": "workers", "workers=1,2,3,4,5,6,7,8,9": "workers", "slots=1.5": "slots", "slots=501": "slots", "window=900h": "window",
		"window=": "window", "window=90m": "window", "window=24h1ns": "window", "memory=1": "memory", "budget=-1": "budget", "environments=1e9": "environments"} {
		answer := do(t, s, http.MethodGet, "/plan?"+query, nil, nil)
		if page := body(t, answer); answer.StatusCode != http.StatusBadRequest || !strings.Contains(page, "PLAN_QUESTION") || !strings.Contains(page, field+" is ") {
			t.Errorf("%s: %d", query, answer.StatusCode)
		}
	}
}

// Without a planner or a history there is no page, and nothing leads to it.
func TestNoPlanPage(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string]Parts{"no planner": {Access: operator, Ledger: history(t, time.Now())}, "no ledger": {Access: operator, Plan: answers}} {
		s := serve(t, parts)
		if got := do(t, s, http.MethodGet, "/plan", nil, nil).StatusCode; got != http.StatusNotFound {
			t.Errorf("%s: %d", name, got)
		}
		if strings.Contains(body(t, do(t, s, http.MethodGet, "/", nil, nil)), `href="/plan"`) {
			t.Errorf("%s: a link to it", name)
		}
	}
}

// slow is plans whose answers take so long, and how many were asked for.
func slow(t *testing.T, takes time.Duration) (*plans, *atomic.Int32) {
	var asked, busy atomic.Int32
	ask := func(ctx context.Context, past []planning.Past, q planning.Question) (planning.Answer, error) {
		asked.Add(1)
		if busy.Add(1) > 1 {
			t.Error("two plans at once")
		}
		defer busy.Add(-1)
		select {
		case <-time.After(takes):
			return answers(ctx, past, q)
		case <-ctx.Done():
			return planning.Answer{}, ctx.Err()
		}
	}
	read := func(_ context.Context, _ ledger.Filter, limit int) ([]ledger.Execution, error) {
		now := time.Now()
		return slices.Repeat([]ledger.Execution{{Executor: execution.OnWorker, Host: "a", Accepted: now, Started: now, Finished: now.Add(1)}}, limit), nil
	}
	return &plans{ask: ask, read: read, turn: make(chan struct{}, 1), known: map[string]planned{}}, &asked
}

func of(p *plans, ctx context.Context, workers int) (planned, error) { //nolint:revive // the question comes last
	return p.of(ctx, nil, time.Hour, planning.Question{Replicas: []int{workers}})
}

// Whoever asks the same again, or at once, is answered from what is known, of bounded work.
func TestPlansAreMadeOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, asked := slow(t, 2*time.Second)
		for range 5 {
			go func() {
				if a, err := of(p, t.Context(), 1); err != nil || !a.cut || a.Assumed.Jobs != planMost {
					t.Errorf("%d executions, %v", a.Assumed.Jobs, err)
				}
			}()
		}
		time.Sleep(30 * time.Second)
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
		time.Sleep(planLife)
		if _, err := of(p, t.Context(), 1); err != nil || asked.Load() != 2 {
			t.Errorf("what is old isn't asked for anew: %d, %v", asked.Load(), err)
		}
		time.Sleep(time.Minute) // until its rest is over
	})
}

// Plans come one after another, and take half of the time at most.
func TestPlansRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := slow(t, 2*time.Second)
		began := time.Now()
		for i := range 3 {
			if _, err := of(p, t.Context(), i); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 10*time.Second {
			t.Errorf("three plans of 2 s took %v", took)
		}
		time.Sleep(time.Minute)
	})
}

// Who waits too long for a turn is told so; a question that takes too long ends; and so
// does one whose asker has gone.
func TestPlansEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, asked := slow(t, time.Hour)
		go func() {
			if _, err := of(p, t.Context(), 1); fault.CodeOf(err) != codePlanTooLarge {
				t.Errorf("an endless plan: %v", err)
			}
		}()
		time.Sleep(time.Millisecond)
		if _, err := of(p, t.Context(), 2); fault.CodeOf(err) != errPlanBusy.Code {
			t.Errorf("behind an endless plan: %v", err)
		}
		time.Sleep(time.Minute)
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		began := time.Now()
		if _, err := of(p, ctx, 3); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 2*time.Second || asked.Load() != 2 {
			t.Errorf("who left after a second was waited for %v: %v", time.Since(began), err)
		}
		time.Sleep(time.Minute)
	})
}
