package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/sagefleet/sagefleet/bridge/reconcile"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An invocation that died after its commit leaves an outcome and nothing else.
func TestOutcomeIsRecordedToldAndBuried(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, objects storage.Store) {
		f := newFleet(t, objects)
		r := f.reconciler(t, "h1", config)
		dead := f.commit(t, f.submit(t, "e1"), execution.Dead)
		direct := f.commit(t, request("e2"), execution.Dead)
		good := f.commit(t, request("e3"), execution.Succeeded)
		if done := sweeps(t, r, 3); done.Repaired != 3 || done.Suspects != 0 {
			t.Errorf("did %+v", done)
		}
		for _, o := range []execution.Outcome{dead, direct, good} {
			rec := f.load(t, o.Key)
			if rec.State != o.Kind.Terminal() || rec.Attempt != o.Attempt || rec.Token != 7 || rec.Failures != 1 {
				t.Errorf("record of %s: %+v", o.Key, rec)
			}
			if _, err := queue.ReadLetter(t.Context(), f.js, o.Mailbox, o.ID, 1); (err == nil) != (o.Kind == execution.Dead) {
				t.Errorf("letter of %s: %v", o.Key, err)
			}
		}
		want := []string{"e1 dead", "e1 repaired", "e2 dead", "e2 repaired", "e3 repaired", "e3 succeeded"}
		if got := f.events(t); !slices.Equal(got, want) {
			t.Errorf("told %q", got)
		}
		other := f.reconciler(t, "h2", config) // remembers nothing
		if done := sweeps(t, other, 3); done != (reconcile.Summary{}) {
			t.Errorf("then another did %+v", done)
		}
	})
}

// A record that says DEAD is written before the dead letter is.
func TestMissingLetterIsWritten(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	r := f.reconciler(t, "h1", config)
	o := f.commit(t, f.submit(t, "e1"), execution.Dead)
	f.record(t, request("e1"), execution.Dead.Terminal())
	if done := sweeps(t, r, 2); done.Repaired != 1 {
		t.Errorf("did %+v", done)
	}
	letter, err := queue.ReadLetter(t.Context(), f.js, "ventas", "e1", 1)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := letter.Request(); err != nil || again.Digest() != o.RequestDigest || letter.Code != "CSV_QUOTE" {
		t.Errorf("letter %+v: %v", letter, err)
	}
}

// A dead letter that was kept for its time is not missing.
func TestALetterWhoseTimeIsOverIsNotWritten(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	r := f.reconciler(t, "h1", config)
	stream, err := f.js.Stream(t.Context(), bus.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	dead := stream.CachedInfo().Config
	dead.MaxAge, dead.Duplicates = 100*time.Millisecond, 100*time.Millisecond
	if _, err := f.js.UpdateStream(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	f.commit(t, f.submit(t, "e1"), execution.Dead)
	f.record(t, request("e1"), execution.Dead.Terminal())
	time.Sleep(dead.MaxAge)
	if done := sweeps(t, r, 2); done.Repaired != 0 {
		t.Errorf("did %+v", done)
	}
}

func TestLostWorkIsPublishedAgainOnce(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, objects storage.Store) {
		f := newFleet(t, objects)
		var accepted []execution.Request
		for i := range 20 {
			accepted = append(accepted, f.submit(t, fmt.Sprintf("e%d", i)))
		}
		f.record(t, accepted[0], execution.Running)
		f.record(t, accepted[1], execution.RetryWait)
		one, other := f.reconciler(t, "h1", config), f.reconciler(t, "h2", config)
		var both sync.WaitGroup
		for _, r := range []*reconcile.Reconciler{one, other} { // the lease is no condition
			both.Go(func() {
				for range 4 {
					time.Sleep(3 * time.Millisecond)
					if _, err := r.Sweep(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		both.Wait()
		for _, r := range accepted {
			found, ok, err := queue.Find(t.Context(), f.js, r.Key())
			if err != nil || !ok || found.Request.Digest() != r.Digest() {
				t.Errorf("%s: %v, %v", r.ID, ok, err)
			}
		}
		if b := f.backlog(t); b.Waiting < 20 || b.Waiting > 40 {
			t.Errorf("%+v, want each once, or twice when both were at it", b)
		}
		before := f.backlog(t)
		if done := sweeps(t, one, 4); done.Requeued != 0 || f.backlog(t) != before {
			t.Errorf("once on the queue: %+v, %+v", done, f.backlog(t))
		}
	})
}

func TestGenerationIsKept(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	r := f.reconciler(t, "h1", config)
	f.commit(t, f.submit(t, "e1"), execution.Dead)
	f.record(t, request("e1"), execution.Dead.Terminal())
	second := request("e1")
	second.Generation = 2
	f.record(t, second, execution.Running)
	if done := sweeps(t, r, 3); done.Requeued != 1 {
		t.Errorf("did %+v", done)
	}
	if _, ok, err := queue.Find(t.Context(), f.js, second.Key()); !ok || err != nil {
		t.Errorf("generation 2 is not on the queue: %v", err)
	}
}

// Work that merely waits, wherever it is, and however old it is, is left alone.
func TestWaitingWorkIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	r := f.reconciler(t, "h1", config)
	for _, id := range []string{"e1", "e2"} {
		f.publish(t, f.submit(t, id))
	}
	f.record(t, request("e2"), execution.Running)
	consumer, err := f.js.Consumer(t.Context(), bus.StreamExecutions, bus.ConsumerFleet)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := consumer.Fetch(2, jetstream.FetchPriorityGroup(bus.GroupFleet))
	if err != nil {
		t.Fatal(err)
	}
	for range batch.Messages() { // both are in flight
	}
	retry := f.submit(t, "e3")
	f.record(t, retry, execution.RetryWait)
	if _, err := f.js.PublishMsg(t.Context(), retryAt(t, retry, time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	direct := f.submit(t, "e4") // an invocation that holds the lock and has no message
	f.record(t, direct, execution.Running)
	locks := lock.New(f.js, bucket(t, f.js, bus.BucketLocks), time.Minute, "lambda")
	if _, err := locks.Acquire(t.Context(), direct.Key().Path()); err != nil {
		t.Fatal(err)
	}
	before := f.backlog(t)
	if done := sweeps(t, r, 5); done != (reconcile.Summary{Suspects: 4}) {
		t.Errorf("did %+v", done)
	}
	if after := f.backlog(t); after != before {
		t.Errorf("%+v became %+v", before, after)
	}
	if told := f.events(t); len(told) != 0 {
		t.Errorf("told %q", told)
	}
}

// Without the request nobody can finish it: that has to be seen.
func TestWorkWithoutItsRequestIsToldOf(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	r := f.reconciler(t, "h1", config)
	f.record(t, request("e1"), execution.Running)
	if _, err := f.js.Publish(t.Context(), bus.SubjectMailbox("ventas"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if done := sweeps(t, r, 4); done.Stranded != 0 {
		t.Errorf("with an unnamed message waiting: %+v", done)
	}
	consumer, err := f.js.Consumer(t.Context(), bus.StreamExecutions, bus.ConsumerFleet)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := consumer.Next(jetstream.FetchPriorityGroup(bus.GroupFleet))
	if err == nil {
		err = msg.DoubleAck(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if done := sweeps(t, r, 6); done.Stranded != 1 || done.Suspects != 1 {
		t.Errorf("did %+v", done)
	}
	if told := f.events(t); !slices.Equal(told, []string{"e1 stranded"}) {
		t.Errorf("told %q", told)
	}
}

// A canceller, or a crash, may leave an outcome beside a record that says RUNNING.
func TestRecordIsBroughtUpToItsOutcome(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	old := config
	old.Window = 2 * time.Millisecond // the outcome is too old to be listed: the record leads to it
	r := f.reconciler(t, "h1", old)
	f.record(t, request("e1"), execution.Running)
	f.commit(t, request("e1"), execution.Cancelled)
	if done := sweeps(t, r, 3); done.Repaired != 1 || done.Suspects != 0 {
		t.Errorf("did %+v", done)
	}
	if rec := f.load(t, request("e1").Key()); rec.State != "CANCELLED" {
		t.Errorf("record %+v", rec)
	}
}

// What is on the queue yet is settled by whoever gets it, not twice.
func TestMessageSettlesItsOwnOutcome(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	r := f.reconciler(t, "h1", config)
	f.publish(t, f.submit(t, "e1"))
	f.commit(t, request("e1"), execution.Dead)
	if done := sweeps(t, r, 3); done.Repaired != 0 || len(f.events(t)) != 0 {
		t.Errorf("did %+v, told %q", done, f.events(t))
	}
}

func TestSweepsAreBoundedAndGoOn(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, objects storage.Store) {
		f := newFleet(t, objects)
		small := config
		small.List, small.Batch = 3, 2
		r := f.reconciler(t, "h1", small)
		for i := range 7 {
			f.submit(t, fmt.Sprintf("e%d", i))
			f.commit(t, request(fmt.Sprintf("f%d", i)), execution.Succeeded)
		}
		done, err := r.Sweep(t.Context())
		if err != nil || done.Listed > 6 || done.Suspects > 4 || done.Repaired > 2 {
			t.Errorf("the first did %+v, %v", done, err)
		}
		if done := sweeps(t, r, 40); done.Repaired+done.Requeued < 12 {
			t.Errorf("did %+v", done)
		}
		if b := f.backlog(t); b.Waiting != 7 {
			t.Errorf("%+v", b)
		}
	})
}

// What has ended costs one look, however often the rotation comes by.
func TestSettledIsLookedAtOnce(t *testing.T) {
	t.Parallel()
	f, age := newAgingFleet(t)
	const n = 5
	for i := range n {
		r := f.submit(t, fmt.Sprintf("e%d", i))
		f.commit(t, r, execution.Succeeded)
		age(r, 5*time.Minute)
	}
	looks := &counting{Store: f.objects}
	f.objects = looks
	r := f.reconciler(t, "h1", config)
	sweeps(t, r, 5)
	if looks.stats != n {
		t.Errorf("%d looks at %d requests that have ended", looks.stats, n)
	}
	f.submit(t, "late")
	if done := sweeps(t, r, 5); done.Requeued != 1 {
		t.Errorf("then did %+v, want the late one published", done)
	}
}

// What a round finds too young is not settled by that.
func TestYoungIsLookedAtLater(t *testing.T) {
	t.Parallel()
	f, age := newAgingFleet(t)
	slow := config
	slow.Grace = 5 * time.Minute
	r := f.reconciler(t, "h1", slow)
	e := f.submit(t, "e1")
	age(e, slow.Grace-10*time.Second)
	if done := sweeps(t, r, 2); done.Suspects != 0 {
		t.Fatalf("did %+v with a young request", done)
	}
	age(e, slow.Grace+10*time.Second) // as if so much time had passed
	if done := sweeps(t, r, 1); done.Suspects != 1 {
		t.Errorf("did %+v, want the request looked at", done)
	}
}

// Whatever fails is tried again, and nothing is done twice that shows.
func TestFailingStoreDelaysAndDoesNotDouble(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	for i := range 9 {
		f.submit(t, fmt.Sprintf("e%d", i))
		f.commit(t, request(fmt.Sprintf("f%d", i)), execution.Dead)
	}
	broken := f
	broken.objects = &flaky{Store: f.objects}
	r := broken.reconciler(t, "h1", config)
	failed := 0
	sweep := func() {
		time.Sleep(3 * time.Millisecond)
		if _, err := r.Sweep(t.Context()); err != nil {
			failed++
		}
	}
	eventually(t, "all repaired", func() bool {
		sweep()
		b := f.backlog(t)
		return b.Waiting >= 9 && b.Dead >= 9
	})
	for range 10 {
		sweep()
	}
	if failed == 0 {
		t.Error("the store never failed")
	}
	if b := f.backlog(t); b.Waiting != 9 || b.Dead != 9 {
		t.Errorf("%+v, want 9 on the queue and 9 dead", b)
	}
}

func TestErasedIsNotBroughtBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, storagetest.Dir(t))
	o := f.commit(t, request("e1"), execution.Dead)
	if _, err := f.outcomes.Erase(t.Context(), o.Key, execution.Erasure{By: "ana"}); err != nil {
		t.Fatal(err)
	}
	if done := sweeps(t, f.reconciler(t, "h1", config), 3); done != (reconcile.Summary{}) {
		t.Errorf("did %+v", done)
	}
	if told := f.events(t); len(told) != 0 {
		t.Errorf("told %q", told)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*reconcile.Config){
		"RECONCILE_EVERY":  func(c *reconcile.Config) { c.Every = time.Millisecond },
		"RECONCILE_GRACE":  func(c *reconcile.Config) { c.Grace = 0 },
		"RECONCILE_WINDOW": func(c *reconcile.Config) { c.Window = stateTTL },
		"RECONCILE_LIST":   func(c *reconcile.Config) { c.List = 0 },
		"RECONCILE_BATCH":  func(c *reconcile.Config) { c.Batch = 0 },
	} {
		c := config
		change(&c)
		if err := c.Validate(stateTTL); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := config.Validate(stateTTL); err != nil {
		t.Error(err)
	}
}
