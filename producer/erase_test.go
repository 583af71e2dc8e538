package producer_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
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
	for _, name := range []string{bus.StreamExecutions, bus.StreamLater, bus.StreamDead, bus.StreamEvents, "KV_" + bus.BucketState} {
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
		before := f.traces(t)
		dry, err := f.operator(t).Erase(t.Context(), "m", "e1", "asked for", true)
		if err != nil || f.traces(t) != before || before < 5 {
			t.Errorf("%d traces, %d after the dry run: %v", before, f.traces(t), err)
		}
		e, err := f.operator(t).Erase(t.Context(), "m", "e1", "asked for", false)
		if err != nil || e.Objects != dry.Objects || e.Letters != 1 || e.Events != dry.Events || e.Events < 2 {
			t.Errorf("erased %+v after %+v: %v", e, dry, err)
		}
		if n := f.traces(t); n != 0 {
			t.Errorf("%d traces are left", n)
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
