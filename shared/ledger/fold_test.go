package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
)

// troubled is an execution that failed, was returned, died of it, and was redriven.
func troubled(mailbox, id string, accepted time.Time) []execution.Event {
	k := execution.Key{Mailbox: mailbox, ID: id, Generation: 1}
	var all []execution.Event
	tell := func(kind string, after time.Duration, d execution.EventData) {
		d.Key, d.Enqueued = k, accepted
		all = append(all, execution.NewEvent(kind, "host-"+fmt.Sprint(len(all)), accepted.Add(after), d))
	}
	asked := &execution.Asked{Sender: "ana@example.org", Method: "mail", FileCount: 1, Files: []string{"Ventas-" + id + ".csv"}, Bytes: 100}
	first, second := accepted.Add(time.Second), accepted.Add(10*time.Second)
	tell(execution.EventReturned, time.Second/2, execution.EventData{State: execution.Accepted, Number: 1, Token: 3, Executor: execution.OnLambda, Code: "THROTTLED", Reason: "throttled"})
	tell(execution.EventStarted, time.Second, execution.EventData{State: execution.Running, Number: 1, Token: 4, Executor: execution.OnLambda, Started: first, Asked: asked})
	tell(execution.EventRetry, 2*time.Second, execution.EventData{State: execution.RetryWait, Number: 1, Token: 4, Executor: execution.OnLambda, Started: first,
		Code: "INPUT_MISSING", Reason: "no object", Usage: &execution.Usage{BilledMillis: 900, MemoryMB: 512, CostUSD: 0.0001}})
	tell(execution.EventStarted, 10*time.Second, execution.EventData{State: execution.Running, Number: 2, Token: 5, Executor: execution.OnWorker, Started: second, Asked: asked})
	tell(execution.EventDead, 11*time.Second, execution.EventData{State: execution.Dead.Terminal(), Attempt: "5-C", Number: 2, Token: 5, Executor: execution.OnWorker, Started: second,
		Finished: accepted.Add(11 * time.Second), Code: "ATTEMPTS_EXHAUSTED", Reason: "2 attempts failed"})
	return all
}

// A row is made of what was told, whatever came first, in whatever parts, and however
// often.
func testAnyOrder(t *testing.T, l *ledger.Ledger) {
	want := map[string]ledger.Execution{}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 12 {
		id := fmt.Sprintf("round-%02d", round)
		events := troubled("ventas", id, noon)
		if round > 0 {
			events = append(events, events[rng.IntN(len(events))], events[rng.IntN(len(events))])
			rng.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		}
		for len(events) > 0 {
			n := 1 + rng.IntN(len(events))
			if round == 0 {
				n = len(events)
			}
			record(t, l, events[:n]...)
			events = events[n:]
		}
		e, err := l.Get(t.Context(), execution.Key{Mailbox: "ventas", ID: id})
		if err != nil {
			t.Fatal(err)
		}
		e.ID, e.Files = "", nil
		want[id] = e
		if diff := cmp.Diff(want["round-00"], e); diff != "" {
			t.Errorf("%s (-in order +shuffled):\n%s", id, diff)
		}
	}
	got := want["round-00"]
	if got.State != "DEAD" || got.Attempts != 2 || got.BilledMillis != 900 || got.Executor != "worker" || got.Host != "host-3" ||
		!got.Began.Equal(noon.Add(time.Second)) || !got.Started.Equal(noon.Add(10*time.Second)) || got.Sender != "ana@example.org" || got.Code != "ATTEMPTS_EXHAUSTED" {
		t.Errorf("in order: %+v", got)
	}
}

func redrive(k execution.Key, at time.Time) execution.Event {
	k.Generation++
	return execution.NewEvent(execution.EventRedriven, "ana", at, execution.EventData{Key: k, State: execution.Accepted,
		From: k.Generation - 1, Executor: execution.ByOperator, Reason: "the file came late", Enqueued: at})
}

func testRedriven(t *testing.T, l *ledger.Ledger) {
	k := execution.Key{Mailbox: "ventas", ID: "jueves", Generation: 1}
	record(t, l, redrive(k, noon.Add(time.Hour))) // before what it is about
	record(t, l, troubled("ventas", "jueves", noon)...)
	first, err := l.Get(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	if first.State != "DEAD" || first.RedrivenAs != 2 || !first.Accepted.Equal(noon) {
		t.Errorf("generation 1: %+v", first)
	}
	newest, err := l.Get(t.Context(), execution.Key{Mailbox: "ventas", ID: "jueves"})
	if err != nil {
		t.Fatal(err)
	}
	if newest.Generation != 2 || newest.State != "ACCEPTED" || !newest.Accepted.Equal(noon.Add(time.Hour)) || newest.RedrivenAs != 0 {
		t.Errorf("the newest: %+v", newest)
	}
	if causes, err := l.Dead(t.Context(), nil, time.Time{}); err != nil || len(causes) != 0 {
		t.Errorf("dead: %v, %v", causes, err)
	}
}

func erasure(k execution.Key, at time.Time) execution.Event {
	return execution.NewEvent(execution.EventErased, "ana", at, execution.EventData{Key: k, State: execution.Dead.Terminal(), Attempt: "5-C", Token: 5,
		Executor: execution.ByOperator, Reason: "the customer asked for it"})
}

// What came from the customer goes, from all generations and everywhere, and doesn't
// come back when something is told again.
func testErased(t *testing.T, l *ledger.Ledger) {
	k := execution.Key{Mailbox: "ventas", ID: "jueves", Generation: 1}
	life := troubled("ventas", "jueves", noon)
	second := k
	second.Generation = 2
	record(t, l, life[:3]...)
	record(t, l, append(life[3:], redrive(k, noon.Add(time.Hour)), erasure(second, noon.Add(2*time.Hour)))...)
	for range 2 {
		for _, prefix := range []string{"Ventas", "vent"} {
			page, err := l.List(t.Context(), ledger.Filter{Prefix: prefix}, "", 10)
			if err != nil || len(page.Executions) != 0 {
				t.Errorf("found by %q: %v, %v", prefix, page.Executions, err)
			}
		}
		e, err := l.Get(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		if e.Sender != "" || e.Files != nil || e.Reason != "" || e.Method != "" || e.Bytes != 0 {
			t.Errorf("is left: %+v", e)
		}
		if e.State != "DEAD" || e.Code != "ATTEMPTS_EXHAUSTED" || e.Erased.IsZero() || e.BilledMillis != 900 {
			t.Errorf("is gone: %+v", e)
		}
		events, err := l.Events(t.Context(), k)
		if err != nil || len(events) < 6 {
			t.Fatalf("events %v, %v", events, err)
		}
		for _, ev := range events {
			if ev.Data.Asked != nil || ev.Data.Reason != "" && ev.Kind != execution.EventErased {
				t.Errorf("is left: %+v", ev)
			}
		}
		page, err := l.List(t.Context(), ledger.Filter{Prefix: "jue"}, "", 10)
		if err != nil || len(page.Executions) != 2 {
			t.Errorf("found by id: %v, %v", page.Executions, err)
		}
		record(t, l, life[1:3]...) // once more
	}
}

func testDead(t *testing.T, l *ledger.Ledger) {
	for i := range 3 {
		record(t, l, troubled("ventas", fmt.Sprintf("a-%d", i), noon.Add(time.Duration(i)*time.Hour))...)
	}
	record(t, l, life("ventas", "b", noon, execution.Dead, execution.OnWorker)...)
	record(t, l, life("compras", "b", noon, execution.Dead, execution.OnWorker)...)
	record(t, l, life("ventas", "c", noon, execution.Succeeded, execution.OnWorker)...)
	got, err := l.Dead(t.Context(), nil, time.Time{})
	want := []ledger.Cause{
		{"ATTEMPTS_EXHAUSTED", "ventas", 3, noon.Add(11 * time.Second), noon.Add(2*time.Hour + 11*time.Second)},
		{"INPUT_MISSING", "compras", 1, noon.Add(3 * time.Second), noon.Add(3 * time.Second)},
		{"INPUT_MISSING", "ventas", 1, noon.Add(3 * time.Second), noon.Add(3 * time.Second)},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	got, err = l.Dead(t.Context(), []string{"ventas"}, noon.Add(time.Hour))
	if err != nil || len(got) != 1 || got[0].Count != 2 {
		t.Errorf("of one mailbox, lately: %v, %v", got, err)
	}
	if got, err = l.Dead(t.Context(), []string{}, time.Time{}); err != nil || len(got) != 0 {
		t.Errorf("of no mailbox: %v, %v", got, err)
	}
}

func testSummary(t *testing.T, l *ledger.Ledger) {
	for i := range 100 { // one each minute, all in the first two hours
		executor := []string{execution.OnWorker, execution.OnLambda}[i%2]
		record(t, l, life("ventas", fmt.Sprintf("e-%d", i), noon.Add(time.Duration(i)*time.Minute), execution.Succeeded, executor)...)
	}
	f := ledger.Filter{From: noon, To: noon.Add(3 * time.Hour)}
	got, err := l.Summary(t.Context(), f, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0].Count != 60 || got[1].Count != 40 || got[2].Count != 0 || got[1].States["SUCCEEDED"] != 40 || got[0].Executors["lambda"] != 30 {
		t.Errorf("%+v", got)
	}
	for what, pair := range map[string][2]time.Duration{"wait": {got[0].WaitP99, 2 * time.Second}, "run": {got[0].RunP50, time.Second}} {
		if pair[0] < pair[1] || pair[0] > pair[1]*103/100 {
			t.Errorf("%s %v, want %v to 3 %% above", what, pair[0], pair[1])
		}
	}
	if cost := got[0].CostUSD; cost < 0.000299 || cost > 0.000301 {
		t.Errorf("cost %v", cost)
	}
	f.Mailboxes = []string{"compras"}
	if got, err = l.Summary(t.Context(), f, time.Hour); err != nil || got[0].Count != 0 {
		t.Errorf("another mailbox: %v, %v", got, err)
	}
	if _, err = l.Summary(t.Context(), f, time.Second); err == nil || !strings.Contains(err.Error(), string(ledger.CodeBuckets)) {
		t.Errorf("too many parts: %v", err)
	}
}
