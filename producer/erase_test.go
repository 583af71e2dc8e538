package producer_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

const secret = "María 12345678Z"

// die is an executor whose outcome quotes the data, inside and beside it.
func (f fleet) die(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	o := execution.Outcome{Key: a.Request.Key(), Kind: execution.Dead, Attempt: execution.NewAttemptID(a.Token), Number: a.Number,
		Executor: execution.OnWorker, Host: "h1", RequestDigest: a.Request.Digest(), Enqueued: a.Enqueued, Finished: time.Now().UTC(),
		Fault: fault.New("CSV_QUOTE", "quote %s is never closed", secret)}
	return f.outcomes.Commit(ctx, o, []outcome.Data{{Name: "a", Bytes: []byte(secret)},
		{Name: "big", Bytes: bytes.Repeat([]byte(secret), outcome.InlineLimit/len(secret)+1)}})
}

func over(t *testing.T, objects storage.Store) fleet {
	t.Helper()
	f := newFleet(t)
	f.objects, f.outcomes = objects, outcome.New(objects)
	f.producer, f.tracker = producer.New(f.js, objects), producer.NewTracker(f.js, f.states, objects)
	return f
}

// traces counts the objects and messages in which the secret is left.
func (f fleet) traces(t *testing.T) (n int) {
	t.Helper()
	for info, err := range f.objects.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		body, err := f.objects.Get(t.Context(), info.Key)
		if err != nil {
			t.Fatal(err)
		}
		var data bytes.Buffer
		_, err = data.ReadFrom(body)
		if err := errors.Join(err, body.Close()); err != nil {
			t.Fatal(err)
		}
		n += min(1, bytes.Count(data.Bytes(), []byte(secret)))
	}
	for _, name := range []string{bus.StreamExecutions, bus.StreamLater, bus.StreamDead, bus.StreamEvents, "KV_" + bus.BucketState,
		"KV_" + bus.BucketDelegations, "KV_" + bus.BucketNotices} {
		stream, err := f.js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for i := uint64(1); i <= stream.CachedInfo().State.LastSeq; i++ {
			msg, err := stream.GetMsg(t.Context(), i)
			if err == nil && (bytes.Contains(msg.Data, []byte(secret)) || strings.Contains(msg.Header.Get("Sage-Reason"), secret)) {
				n++
			}
		}
	}
	return n
}

// dead submits an execution that dies, and waits until its message is settled.
func (f fleet) dead(t *testing.T) {
	t.Helper()
	s := submission()
	s.Files = []producer.File{text("a.csv", secret)}
	if _, err := f.producer.Submit(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	f.work(t, false, f.die)
	f.letter(t, "e1", 1)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		b, err := queue.Lag(t.Context(), f.js)
		if err == nil && b.Waiting == 0 && b.InFlight == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, %v", b, err)
		}
	}
}

func TestEraseLeavesATombstoneAndNothingElse(t *testing.T) {
	t.Parallel()
	storagetest.Each(t, func(t *testing.T, objects storage.Store) {
		f := over(t, objects)
		f.dead(t)
		if _, err := objects.Put(t.Context(), "cache/ab/abcd", strings.NewReader("hash\n{\"execution_id\":\"e1\",\"findings\":\""+secret+"\"}")); err != nil {
			t.Fatal(err)
		}
		if _, err := objects.Put(t.Context(), "cache/ab/other", strings.NewReader("hash\n{\"execution_id\":\"e2\"}")); err != nil {
			t.Fatal(err)
		}
		f.quote(t)
		before := f.traces(t)
		dry, err := f.operator(t).Erase(t.Context(), "m", "e1", "asked for", true)
		if err != nil || f.traces(t) != before || before < 8 {
			t.Errorf("%d traces, %d after the dry run: %v", before, f.traces(t), err)
		}
		e, err := f.operator(t).Erase(t.Context(), "m", "e1", "asked for", false)
		if err != nil || e.Objects != dry.Objects || e.Letters != 1 || e.Events != dry.Events || e.Events < 2 {
			t.Errorf("erased %+v after %+v: %v", e, dry, err)
		}
		if n := f.traces(t); n != 0 {
			t.Errorf("%d traces are left", n)
		}
		if kv, err := f.js.KeyValue(t.Context(), bus.BucketNotices); err != nil {
			t.Error(err)
		} else if _, err := kv.Get(t.Context(), "answer.m.e2.1.webhook"); err != nil {
			t.Errorf("another's answer: %v", err)
		}
		if _, err := objects.Stat(t.Context(), "cache/ab/other"); err != nil {
			t.Error(err)
		}
		o, err := f.outcomes.Read(t.Context(), key(1))
		if err != nil || o.Kind != execution.Dead || o.Erased == nil || o.Erased.By != "ana" || o.Erased.Reason != "asked for" || o.Files != nil {
			t.Errorf("tombstone %+v: %v", o, err)
		}
		again, err := f.operator(t).Erase(t.Context(), "m", "e1", "once more", false)
		if err != nil || !again.Already || again.Objects+again.Letters+again.Events != 0 || again.By.Reason != "asked for" {
			t.Errorf("again %+v: %v", again, err)
		}
		s, err := f.tracker.Status(t.Context(), "m", "e1")
		if err != nil || s.Erased == nil || s.State != "DEAD" {
			t.Errorf("status %+v: %v", s, err)
		}
	})
}

// quote has a bridge and whoever answers senders note faults that quote the data.
func (f fleet) quote(t *testing.T) { f.quoteAs(t, f.js, f.js) }

func (f fleet) quoteAs(t *testing.T, bridge, notify jetstream.JetStream) {
	t.Helper()
	kv, err := bridge.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	if _, err := delegation.New(bridge, kv, time.Hour).Save(t.Context(), delegation.Entry{Key: key(1), Token: 1, Number: 1, State: delegation.Failed,
		Function: "sage", Bridge: "b", Mode: delegation.ModeSync, Invoked: now, Expiry: now, Updated: now, Code: "REMOTE_FAILED", Reason: secret}, 0); err != nil {
		t.Fatal(err)
	}
	if kv, err = notify.KeyValue(t.Context(), bus.BucketNotices); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"answer.m.e1.1.webhook", "answer.m.e1.1.email.abc"} {
		if _, err := kv.PutString(t.Context(), key, secret); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := kv.PutString(t.Context(), "answer.m.e2.1.webhook", "another's"); err != nil {
		t.Fatal(err)
	}
}

// An operator has the rights that an erasure takes.
func TestAnOperatorMayErase(t *testing.T) {
	t.Parallel()
	s, security := bustest.RunSecured(t, map[string][]string{"m": {"m"}})
	as := func(i bus.Identity) jetstream.JetStream { return security.Connect(t, s, i) }
	admin := as(bus.IdentityAdmin)
	if err := bus.Provision(t.Context(), admin, s.Config); err != nil {
		t.Fatal(err)
	}
	f := fleet{js: as(bus.IdentityOperator), objects: storagetest.Dir(t)}
	f.outcomes = outcome.New(f.objects)
	f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Succeeded})
	f.quoteAs(t, as(bus.IdentityBridge), as(bus.IdentityNotify))
	if e, err := f.operator(t).Erase(t.Context(), "m", "e1", "asked for", false); err != nil {
		t.Errorf("erased %+v: %v", e, err)
	}
	for bucket, want := range map[string]uint64{bus.BucketDelegations: 0, bus.BucketNotices: 1} {
		held := func() uint64 { // markers of what was removed stay for a second
			stream, err := admin.Stream(t.Context(), "KV_"+bucket)
			if err != nil {
				t.Fatal(err)
			}
			return stream.CachedInfo().State.Msgs
		}
		for deadline := time.Now().Add(20 * time.Second); held() != want; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s holds %d", bucket, held())
			}
		}
	}
}

// What came from a folder is said to lie there yet.
func TestWhatIsLeftInAFolderIsReported(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]bool{"inbox": true, "api": false} {
		f := newFleet(t)
		f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Succeeded, Method: method})
		if e, err := f.operator(t).Erase(t.Context(), "m", "e1", "", false); err != nil || e.Inbox != want {
			t.Errorf("%s: %+v, %v", method, e, err)
		}
	}
}

func TestOnlyWhatEndedIsErased(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if _, err := f.producer.Submit(t.Context(), submission()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.operator(t).Erase(t.Context(), "m", "e1", "", false); fault.CodeOf(err) != producer.CodeNotEnded {
		t.Errorf("while it waits: %v", err)
	}
	f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Succeeded}) // its message would bring it back
	if _, err := f.operator(t).Erase(t.Context(), "m", "e1", "", false); fault.CodeOf(err) != producer.CodeNotEnded {
		t.Errorf("with its message on the queue: %v", err)
	}
	if o, err := f.outcomes.Read(t.Context(), key(1)); err != nil || o.Erased != nil {
		t.Errorf("%+v, %v", o, err)
	}
}

// failing is a store that fails at one deletion or replacement.
type failing struct {
	storage.Store
	left int
}

var errFailing = errors.New("the store is away")

func (s *failing) Delete(ctx context.Context, key string) error {
	if s.left--; s.left < 0 {
		return errFailing
	}
	return s.Store.Delete(ctx, key)
}

// Wherever it is interrupted, another run completes it.
func TestInterruptedErasureIsCompleted(t *testing.T) {
	t.Parallel()
	for _, after := range []int{0, 1, 2} {
		f := newFleet(t)
		f.dead(t)
		broken := f
		broken.objects = &failing{f.objects, after}
		if _, err := broken.operator(t).Erase(t.Context(), "m", "e1", "", false); !errors.Is(err, errFailing) {
			t.Errorf("after %d: %v", after, err)
		}
		if _, err := f.operator(t).Erase(t.Context(), "m", "e1", "", false); err != nil || f.traces(t) != 0 {
			t.Errorf("after %d: %d traces are left: %v", after, f.traces(t), err)
		}
	}
}
