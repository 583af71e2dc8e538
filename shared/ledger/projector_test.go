package ledger_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// project runs a projector until the test has ended.
func project(t *testing.T, l *ledger.Ledger, js jetstream.JetStream) *ledger.Projector {
	t.Helper()
	p := ledger.NewProjector(l, js)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the projector ended with %v", err)
		}
	})
	return p
}

func publish(t *testing.T, js jetstream.JetStream, events ...execution.Event) {
	t.Helper()
	publisher := event.New(js, bus.SubjectEvent)
	for _, e := range events {
		kind := e.Type[strings.LastIndexByte(e.Type, '.')+1:]
		if err := publisher.Publish(kind, e)(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func states(t *testing.T, l *ledger.Ledger) map[string]execution.State {
	t.Helper()
	page, err := l.List(t.Context(), ledger.Filter{}, "", ledger.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]execution.State{}
	for _, e := range page.Executions {
		all[e.ID] = e.State
	}
	return all
}

// What is no event of the fleet's is counted and stops nothing.
func testProjected(t *testing.T, l *ledger.Ledger) {
	js := bustest.Start(t)
	publish(t, js, life("ventas", "first", noon, execution.Succeeded, execution.OnWorker)...)
	for _, poison := range poisons(t) {
		if _, err := js.Publish(t.Context(), bus.SubjectEvent("ventas", "started"), poison); err != nil {
			t.Fatal(err)
		}
	}
	p := project(t, l, js)
	eventually(t, "the first is there", func() bool { return states(t, l)["first"] == "SUCCEEDED" })
	publish(t, js, life("ventas", "last", noon, execution.Dead, execution.OnWorker)...)
	eventually(t, "the last is there", func() bool { return states(t, l)["last"] == "DEAD" })
	eventually(t, "nothing is behind", func() bool { return p.Progress().Behind == 0 && !p.Progress().Current.IsZero() })
	if got, want := p.Progress().Skipped, uint64(len(poisons(t))); got != want {
		t.Errorf("%d messages were passed over, want %d", got, want)
	}
	if n := len(states(t, l)); n != 2 {
		t.Errorf("%d executions, want 2", n)
	}

	// Another one goes on from there.
	publish(t, js, life("ventas", "more", noon, execution.Succeeded, execution.OnWorker)...)
	other := project(t, l, js)
	eventually(t, "the new one is there", func() bool { return states(t, l)["more"] == "SUCCEEDED" && other.Progress().Behind == 0 })
	if got := other.Progress().Skipped; got != 0 {
		t.Errorf("the other read %d messages again", got)
	}
}

// poisons are messages that must not become rows.
func poisons(t testing.TB) [][]byte {
	t.Helper()
	good := life("ventas", "poison", noon, execution.Succeeded, execution.OnWorker)[0]
	with := func(change func(*execution.Event)) []byte {
		e := good
		change(&e)
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	long := strings.Repeat("x", 5000)
	return [][]byte{
		nil, []byte("{"), []byte("null"), []byte(`[1]`), []byte("\x00\xff"), []byte(`{"data":{"generation":"1"}}`),
		with(func(e *execution.Event) { e.Type = "com.example.created" }),
		with(func(e *execution.Event) { e.Type = "dev.sagefleet.execution." }),
		with(func(e *execution.Event) { e.ID = "" }),
		with(func(e *execution.Event) { e.ID = long }),
		with(func(e *execution.Event) { e.Source = long }),
		with(func(e *execution.Event) { e.Data.Mailbox = "compras" }),
		with(func(e *execution.Event) { e.Data.Key.ID = "a.b" }),
		with(func(e *execution.Event) { e.Data.Generation = 0 }),
		with(func(e *execution.Event) { e.Data.Generation = 1 << 40 }),
		with(func(e *execution.Event) { e.Data.From = 7 }),
		with(func(e *execution.Event) { e.Data.From = -1 }),
		with(func(e *execution.Event) { e.Data.State = "HAPPY" }),
		with(func(e *execution.Event) { e.Data.State = "" }),
		with(func(e *execution.Event) { e.Data.Code = long }),
		with(func(e *execution.Event) { e.Data.Executor = long }),
		with(func(e *execution.Event) { e.Data.Attempt = long }),
		with(func(e *execution.Event) { e.Data.Reason = strings.Repeat("x", 100_000) }),
	}
}

// Strange texts in an event of ours are kept as well as they can be.
func testStrangeTexts(t *testing.T, l *ledger.Ledger) {
	js := bustest.Start(t)
	data := []byte(`{"specversion":"1.0","id":"ventas:odd:1:dead:1:A","source":"/worker/host\u0000","type":"dev.sagefleet.execution.dead","time":"9999-12-31T23:59:59Z",
		"data":{"mailbox":"ventas","execution_id":"odd","generation":1,"state":"DEAD","number":-5,"executor":"toaster","code":"X\u0000\\u0000","reason":"\ud800 \\\u0000 ` + "\xff" + `",
		"usage":{"cost_usd":-1e300,"billed_ms":-9},"asked":{"files":["../a","` + strings.Repeat("y", 300) + `"]},"enqueued":"0001-01-02T00:00:00Z"}}`)
	if _, err := js.Publish(t.Context(), bus.SubjectEvent("ventas", "dead"), data); err != nil {
		t.Fatal(err)
	}
	project(t, l, js)
	eventually(t, "it is there", func() bool { return states(t, l)["odd"] == "DEAD" })
	e, err := l.Get(t.Context(), execution.Key{Mailbox: "ventas", ID: "odd"})
	if err != nil {
		t.Fatal(err)
	}
	if e.Code != `X�\u0000` || e.Reason != `� \� �` || e.Executor != "" || e.CostUSD != 0 || e.Files != nil {
		t.Errorf("%+v", e)
	}
	page, err := l.List(t.Context(), ledger.Filter{States: []execution.State{"DEAD"}}, "", 1)
	if err != nil || len(page.Executions) != 1 {
		t.Errorf("not found by its state: %v, %v", page, err)
	}
}

// What waits is listed before anything is told of it.
func testWaiting(t *testing.T, l *ledger.Ledger) {
	js := bustest.Start(t)
	request := execution.Request{ID: "early", Mailbox: "ventas", Sender: "ana", Config: execution.Config{Text: "sage_yaml: {}"},
		Inputs: []execution.Input{{URI: "file:///x", Filename: "Ventas.csv"}}}
	if err := queue.Publish(t.Context(), js, request); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), bus.SubjectMailbox("ventas"), []byte("no request")); err != nil {
		t.Fatal(err)
	}
	project(t, l, js)
	find := func(prefix string) (ledger.Execution, bool) {
		page, err := l.List(t.Context(), ledger.Filter{Prefix: prefix}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Executions) == 0 {
			return ledger.Execution{}, false
		}
		return page.Executions[0], len(page.Executions) == 1
	}
	eventually(t, "it is found by its file", func() bool { _, ok := find("ventas.c"); return ok })
	e, _ := find("ear")
	if e.State != execution.Accepted || e.Sender != "ana" || e.FileCount != 1 || e.Accepted.IsZero() {
		t.Errorf("%+v", e)
	}
	request.ID = "later" // after it has looked
	if err := queue.Publish(t.Context(), js, request); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the later one is found", func() bool { _, ok := find("later"); return ok })
	publish(t, js, life("ventas", "early", e.Accepted, execution.Succeeded, execution.OnWorker)...)
	eventually(t, "it has ended", func() bool { e, _ := find("early"); return e.State == "SUCCEEDED" })
	if n := len(states(t, l)); n != 2 {
		t.Errorf("%d executions, want 2", n)
	}
}

// A ledger that has read further than the stream goes, because the server was
// restored or is another one, begins anew.
func testStreamMadeAnew(t *testing.T, l *ledger.Ledger) {
	js := bustest.Start(t)
	publish(t, js, life("ventas", "one", noon, execution.Succeeded, execution.OnWorker)...)
	publish(t, js, life("ventas", "two", noon, execution.Succeeded, execution.OnWorker)...)
	project(t, l, js)
	eventually(t, "both are there", func() bool { return states(t, l)["two"] == "SUCCEEDED" })
	other := bustest.Start(t)
	publish(t, other, life("ventas", "three", noon, execution.Succeeded, execution.OnWorker)...)
	project(t, l, other)
	eventually(t, "the third is there", func() bool { return states(t, l)["three"] == "SUCCEEDED" })
	if len(states(t, l)) != 3 {
		t.Errorf("%v", states(t, l))
	}
}
