package history_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// world is a fleet's stores, in which a test makes history.
type world struct {
	t        *testing.T
	js       jetstream.JetStream
	dir      string // of the objects
	objects  storage.Store
	outcomes *outcome.Store
	states   *state.Store
}

func newWorld(t *testing.T) world {
	t.Helper()
	js := bustest.Start(t)
	dir := t.TempDir()
	objects, err := storage.Open(t.Context(), "file://"+dir)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	return world{t, js, dir, objects, outcome.New(objects), state.New(js, kv, time.Hour)}
}

func (w world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func key(generation int) execution.Key {
	return execution.Key{Mailbox: "ventas", ID: "e1", Generation: generation}
}

// ends stores an outcome whose attempt began then.
func (w world) ends(k execution.Key, kind execution.Kind, attempt string, began time.Time) {
	w.t.Helper()
	_, err := w.outcomes.Commit(w.t.Context(), execution.Outcome{Key: k, Kind: kind, Attempt: attempt, Executor: execution.OnWorker,
		Enqueued: began.Add(-time.Second), Started: began, Finished: time.Now()}, nil)
	w.must(err)
}

// tells publishes the event of an end.
func (w world) tells(k execution.Key, kind execution.Kind, attempt string) {
	w.t.Helper()
	e := execution.NewEvent(kind.EventKind(), "h", time.Now(), execution.EventData{Key: k, State: kind.Terminal(), Attempt: attempt,
		Usage: &execution.Usage{CostUSD: 1}})
	w.must(event.New(w.js, bus.SubjectEvent).Publish(kind.EventKind(), e)(w.t.Context()))
}

func (w world) records(k execution.Key, s execution.State, attempt string) {
	w.t.Helper()
	_, err := w.states.Save(w.t.Context(), state.Record{Key: k, State: s, Attempt: attempt, Updated: time.Now()}, 0)
	w.must(err)
}

func (w world) buries(k execution.Key) {
	w.t.Helper()
	_, err := w.js.Publish(w.t.Context(), bus.SubjectDead(k), nil)
	w.must(err)
}

// keepLetters bounds the time that dead letters are kept.
func (w world) keepLetters(age time.Duration) {
	w.t.Helper()
	stream, err := w.js.Stream(w.t.Context(), bus.StreamDead)
	w.must(err)
	config := stream.CachedInfo().Config
	config.MaxAge, config.Duplicates = age, min(age, config.Duplicates)
	_, err = w.js.UpdateStream(w.t.Context(), config)
	w.must(err)
}

func (w world) request(k execution.Key) execution.Request {
	return execution.Request{ID: k.ID, Mailbox: k.Mailbox, Generation: k.Generation, Config: execution.Config{Text: "x"},
		Inputs: []execution.Input{{URI: "file:///srv/inputs/a.csv", Filename: "a.csv"}}}
}

func (w world) publishes(k execution.Key) {
	w.t.Helper()
	w.must(queue.Publish(w.t.Context(), w.js, w.request(k)))
}

// stores puts the request where a submission leaves it.
func (w world) stores(k execution.Key) {
	w.t.Helper()
	data, err := json.Marshal(w.request(k))
	w.must(err)
	w.must(w.objects.Create(w.t.Context(), intake.RequestKey(k.Mailbox, k.ID), data))
}

// A judge that can't find anything proves nothing: each violation is made on
// purpose, and must be found.
func TestCheckFindsEachViolation(t *testing.T) {
	t.Parallel()
	const ok, bad = execution.Succeeded, execution.Dead
	now := time.Now()
	one, two := key(1), key(2)
	tests := map[string]struct {
		history func(w world)
		want    []history.Guarantee
		lost    int
		doubled int
	}{
		"all is well":          {history: func(w world) { w.ends(one, ok, "a", now); w.tells(one, ok, "a"); w.records(one, "SUCCEEDED", "a") }},
		"told twice, the same": {history: func(w world) { w.ends(one, ok, "a", now); w.tells(one, ok, "a"); w.tells(one, ok, "a") }},
		"dead, and buried":     {history: func(w world) { w.ends(one, bad, "a", now); w.tells(one, bad, "a"); w.buries(one) }},
		"erased, with its events, dead letter and inputs": {history: func(w world) {
			_, err := w.outcomes.Commit(w.t.Context(), execution.Outcome{Key: one, Kind: bad, Attempt: "a", Finished: time.Now(),
				Erased: &execution.Erasure{At: now}}, nil)
			w.must(err)
		}},
		"redriven": {history: func(w world) {
			w.ends(one, bad, "a", now.Add(-time.Hour))
			w.tells(one, bad, "a")
			w.buries(one)
			w.ends(two, ok, "b", now)
			w.tells(two, ok, "b")
		}},
		"no trace":                        {history: func(world) {}, want: []history.Guarantee{history.Durable}, lost: 1},
		"stored and gone":                 {history: func(w world) { w.stores(one) }, want: []history.Guarantee{history.NotLost}, lost: 1},
		"recorded and gone":               {history: func(w world) { w.records(one, execution.Running, "") }, want: []history.Guarantee{history.NotLost}, lost: 1},
		"it still waits":                  {history: func(w world) { w.publishes(one) }, want: []history.Guarantee{history.NotLost}, lost: 1},
		"the outcome is gone":             {history: func(w world) { w.tells(one, ok, "a") }, want: []history.Guarantee{history.Unchanged}, lost: 1},
		"two commits":                     {history: func(w world) { w.ends(one, ok, "a", now); w.tells(one, ok, "a"); w.tells(one, ok, "b") }, want: []history.Guarantee{history.OneResult}, doubled: 1},
		"another was told":                {history: func(w world) { w.ends(one, ok, "a", now); w.tells(one, ok, "b") }, want: []history.Guarantee{history.Unchanged}},
		"told another kind":               {history: func(w world) { w.ends(one, ok, "a", now); w.tells(one, bad, "a") }, want: []history.Guarantee{history.OneEnd}},
		"recorded another":                {history: func(w world) { w.ends(one, ok, "a", now); w.tells(one, ok, "a"); w.records(one, "DEAD", "a") }, want: []history.Guarantee{history.OneEnd}},
		"buried alive":                    {history: func(w world) { w.ends(one, ok, "a", now); w.tells(one, ok, "a"); w.buries(one) }, want: []history.Guarantee{history.OneEnd}},
		"the end was not told":            {history: func(w world) { w.ends(one, ok, "a", now) }, want: []history.Guarantee{history.Complete}},
		"the record hangs":                {history: func(w world) { w.ends(one, ok, "a", now); w.tells(one, ok, "a"); w.records(one, execution.Running, "") }, want: []history.Guarantee{history.Complete}},
		"dead, not buried":                {history: func(w world) { w.ends(one, bad, "a", now); w.tells(one, bad, "a") }, want: []history.Guarantee{history.Complete}},
		"dead, its letter's time over":    {history: func(w world) { w.keepLetters(time.Second); w.ends(one, bad, "a", now); w.tells(one, bad, "a") }},
		"dead, its letter too early gone": {history: func(w world) { w.keepLetters(time.Hour); w.ends(one, bad, "a", now); w.tells(one, bad, "a") }, want: []history.Guarantee{history.Complete}},
		"redriven alive": {history: func(w world) {
			w.ends(one, ok, "a", now)
			w.tells(one, ok, "a")
			w.ends(two, ok, "b", now)
			w.tells(two, ok, "b")
		}, want: []history.Guarantee{history.OneRedrive}},
		"a ghost": {history: func(w world) {
			w.ends(one, bad, "a", now)
			w.tells(one, bad, "a")
			w.buries(one)
			w.ends(two, ok, "b", now.Add(-time.Hour))
			w.tells(two, ok, "b")
		}, want: []history.Guarantee{history.NoGhosts}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tt.history(w)
			var told int
			r, err := history.Verify(t.Context(), w.js, w.outcomes, history.Options{Objects: w.objects, Ended: true,
				Accepted: slices.Values([]execution.Key{one}), Found: func(history.Finding) { told++ }})
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Sorted(maps.Keys(r.Violations))
			if diff := cmp.Diff(tt.want, got); diff != "" || r.Clean() != (tt.want == nil) || told != len(r.Findings) {
				t.Errorf("violated: %s%s", diff, r.Explain())
			}
			if r.Lost != tt.lost || r.Doubled != tt.doubled {
				t.Errorf("%d lost, %d doubled; want %d, %d", r.Lost, r.Doubled, tt.lost, tt.doubled)
			}
		})
	}
}

// A fleet at work is no broken one.
func TestVerifyExcusesWhatMayBeUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	named := func(id string) execution.Key { return execution.Key{Mailbox: "ventas", ID: id, Generation: 1} }
	w.publishes(named("waits"))
	w.stores(named("comes"))
	w.records(named("direct"), execution.Running, "")
	w.ends(named("ends"), execution.Dead, "a", time.Now())
	r, err := history.Verify(t.Context(), w.js, w.outcomes, history.Options{Objects: w.objects})
	if err != nil || !r.Clean() {
		t.Errorf("%v\n%s", err, r.Explain())
	}
	if r.Open != 3 || r.Dead != 1 || r.Accepted != 4 {
		t.Errorf("counted %+v", r)
	}
}

// What retention took away is not lost.
func TestExpiredEventsAreNoLoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := key(1)
	w.ends(k, execution.Succeeded, "a", time.Now())
	w.tells(k, execution.Succeeded, "a")
	time.Sleep(10 * time.Millisecond)
	later := execution.Key{Mailbox: "ventas", ID: "e2", Generation: 1}
	w.ends(later, execution.Succeeded, "b", time.Now())
	w.tells(later, execution.Succeeded, "b")
	stream, err := w.js.Stream(t.Context(), bus.StreamEvents)
	w.must(err)
	w.must(stream.Purge(t.Context(), jetstream.WithPurgeSequence(2))) // as its age would
	r, err := history.Check(t.Context(), w.js, w.outcomes, []execution.Key{k, later})
	if err != nil || !r.Clean() {
		t.Errorf("%v\n%s", err, r.Explain())
	}
	w.must(stream.Purge(t.Context()))
	r, err = history.Check(t.Context(), w.js, w.outcomes, []execution.Key{k})
	if err != nil || !r.Clean() || r.EventsSince.IsZero() {
		t.Errorf("%v, events since %v\n%s", err, r.EventsSince, r.Explain())
	}
}

func TestVerifyLooksWhereItIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, mailbox := range []string{"ventas", "pagos"} {
		w.tells(execution.Key{Mailbox: mailbox, ID: "e1", Generation: 1}, execution.Succeeded, "a")
	}
	for name, tt := range map[string]struct {
		opts history.Options
		lost int
	}{
		"everything":  {lost: 2},
		"one mailbox": {history.Options{Mailbox: "pagos"}, 1},
		"no time":     {history.Options{Since: time.Now().Add(time.Hour)}, 0},
		"all time":    {history.Options{Since: time.Now().Add(-time.Hour)}, 2},
	} {
		r, err := history.Verify(t.Context(), w.js, w.outcomes, tt.opts)
		if err != nil || r.Lost != tt.lost {
			t.Errorf("%s: %d lost, want %d; %v", name, r.Lost, tt.lost, err)
		}
	}
}
