package producer_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/state"
)

// mended is an executor that fails the first generation of everything.
func (f fleet) mended(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	if a.Request.Key().Generation == 1 {
		return execution.Outcome{}, errBroken
	}
	return f.succeed(ctx, a)
}

func TestRedriveOpensTheNextGenerationOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	op := f.operator(t)
	if _, err := f.producer.Submit(t.Context(), submission()); err != nil {
		t.Fatal(err)
	}
	may := make(chan struct{})
	f.work(t, true, func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		if a.Request.Generation == 2 {
			<-may
		}
		return f.mended(ctx, a)
	})
	f.letter(t, "e1", 1)
	d, err := op.Redrive(t.Context(), "m", "e1", 0, "the store is back", false)
	if want := (producer.Redriven{Key: key(2), From: 1, State: execution.Accepted}); err != nil || d != want {
		t.Fatalf("%+v, %v", d, err)
	}
	f.wait(t, "e1", 2, execution.Running)
	before := f.messages(t)
	if d, err = op.Redrive(t.Context(), "m", "e1", 0, "", false); err != nil || d.Key != key(2) || !d.Already {
		t.Errorf("while it is open: %+v, %v", d, err)
	}
	if after := f.messages(t); after[bus.StreamExecutions] != before[bus.StreamExecutions] || after[bus.StreamEvents] != before[bus.StreamEvents] {
		t.Errorf("while it is open, something was sent: %v, then %v", before, after)
	}
	close(may)
	f.wait(t, "e1", 2, "SUCCEEDED")
	for _, from := range []int{0, 1} {
		if d, err = op.Redrive(t.Context(), "m", "e1", from, "", false); err != nil || d.Key != key(2) || !d.Already || d.State != "SUCCEEDED" {
			t.Errorf("after it ended, from %d: %+v, %v", from, d, err)
		}
	}
	if _, err := op.Redrive(t.Context(), "m", "e1", 2, "", false); fault.CodeOf(err) != producer.CodeNotDead {
		t.Errorf("the generation that succeeded: %v", err)
	}
	told := f.told(t, execution.EventRedriven)
	if len(told) != 1 || told[0].Data.Key != key(2) || told[0].Data.From != 1 || told[0].Data.Reason != "the store is back" || told[0].Source != "/operator/ana" {
		t.Errorf("told %+v", told)
	}
	if l := f.letter(t, "e1", 1); !strings.HasSuffix(l.Redriven, " ana") || l.Code != "CSV_QUOTE" || l.Subject != bus.SubjectExec("m", "e1") {
		t.Errorf("the letter says %+v", l)
	}
}

func TestConcurrentRedrivesOpenOneGeneration(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	if _, err := f.producer.Submit(t.Context(), submission()); err != nil {
		t.Fatal(err)
	}
	var runs atomic.Int32
	f.work(t, true, func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		if a.Request.Generation == 2 {
			runs.Add(1)
		}
		return execution.Outcome{}, errBroken
	})
	f.letter(t, "e1", 1)
	var redriving sync.WaitGroup
	for range 8 {
		op := f.operator(t)
		redriving.Go(func() {
			if d, err := op.Redrive(t.Context(), "m", "e1", 1, "", false); err != nil || d.Key != key(2) {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
	redriving.Wait()
	f.letter(t, "e1", 2)
	waitEmpty(t, f)
	if _, err := f.outcomes.Read(t.Context(), key(3)); !errors.Is(err, outcome.ErrNone) {
		t.Errorf("generation 3: %v", err)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("generation 2 was executed %d times", n)
	}
	if n := len(f.told(t, execution.EventRedriven)); n != 1 {
		t.Errorf("%d redriven events", n)
	}
}

// waitEmpty waits until nothing is on the queue.
func waitEmpty(t *testing.T, f fleet) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if published(t, f.js) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the queue doesn't run empty")
		}
	}
}

func TestRedriveRefusesWhatIsNotDead(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*testing.T, fleet)
		code    fault.Code
	}{
		"unknown": {func(*testing.T, fleet) {}, producer.CodeUnknown},
		"waiting": {func(t *testing.T, f fleet) {
			if _, err := f.producer.Submit(t.Context(), submission()); err != nil {
				t.Fatal(err)
			}
		}, producer.CodeNotDead},
		"succeeded": {func(t *testing.T, f fleet) {
			f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Succeeded, RequestDigest: "d"})
		}, producer.CodeNotDead},
		"cancelled": {func(t *testing.T, f fleet) {
			f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Cancelled, RequestDigest: "d"})
		}, producer.CodeNotDead},
		"nobody has its bytes": {func(t *testing.T, f fleet) {
			f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Dead, RequestDigest: "d"})
		}, producer.CodeRequestGone},
		"its bytes are another request's": {func(t *testing.T, f fleet) {
			if _, err := f.producer.Store(t.Context(), submission()); err != nil {
				t.Fatal(err)
			}
			f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Dead, RequestDigest: "d"})
		}, producer.CodeRequestGone},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			tt.prepare(t, f)
			before := f.messages(t)
			if _, err := f.operator(t).Redrive(t.Context(), "m", "e1", 0, "", false); fault.CodeOf(err) != tt.code {
				t.Errorf("%v, want %s", err, tt.code)
			}
			if diff := cmp.Diff(before, f.messages(t)); diff != "" {
				t.Errorf("something changed: %s", diff)
			}
		})
	}
}

func TestRedriveOfARawPublishTakesTheDeadLetter(t *testing.T) {
	t.Parallel()
	const body = `{"yaml_config":"x","input_files":[{"uri":"file:///x","filename":"a.csv"}]}`
	for name, subject := range map[string]string{"no id": bus.SubjectMailbox("m"), "for workers only": bus.SubjectLocal("m", "e1")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			var again atomic.Pointer[execution.Request]
			f.work(t, true, func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
				if a.Request.Generation == 2 {
					again.Store(&a.Request)
				}
				return f.mended(ctx, a)
			})
			if _, err := f.js.Publish(t.Context(), subject, []byte(body)); err != nil {
				t.Fatal(err)
			}
			id := ""
			for deadline := time.Now().Add(20 * time.Second); id == "" && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				for l, err := range queue.Letters(t.Context(), f.js, queue.LetterFilter{}) {
					if err != nil {
						t.Fatal(err)
					}
					id = l.Name
				}
			}
			if _, err := f.operator(t).Redrive(t.Context(), "m", id, 0, "", false); err != nil {
				t.Fatal(err)
			}
			f.wait(t, id, 2, "SUCCEEDED")
			first, err := f.outcomes.Read(t.Context(), execution.Key{Mailbox: "m", ID: id, Generation: 1})
			if r := again.Load(); err != nil || r.Digest() != first.RequestDigest {
				t.Errorf("redriven as %+v (%v)", r, err)
			}
		})
	}
}

func TestRedriveKeepsLocalWorkLocal(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	r, err := f.producer.Store(t.Context(), submission())
	if err != nil {
		t.Fatal(err)
	}
	if err := queue.PublishLocal(t.Context(), f.js, r); err != nil {
		t.Fatal(err)
	}
	t.Run("dies", func(t *testing.T) {
		f.work(t, true, f.mended) // until the end of this part
		f.letter(t, "e1", 1)
		waitEmpty(t, f)
	})
	if _, err := f.operator(t).Redrive(t.Context(), "m", "e1", 0, "", false); err != nil {
		t.Fatal(err)
	}
	if found, ok, err := queue.Find(t.Context(), f.js, key(2)); err != nil || !ok || found.Subject != bus.SubjectLocal("m", "e1") {
		t.Errorf("%+v, %v, %v", found, ok, err)
	}
}

func TestRedriveAgainSendsWhatACrashedOneDidNot(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	r, err := f.producer.Store(t.Context(), submission())
	if err != nil {
		t.Fatal(err)
	}
	f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Dead, RequestDigest: r.Digest()})
	f.record(t, state.Record{Key: key(2), State: execution.Accepted, RequestDigest: r.Digest()})
	if d, err := f.operator(t).Redrive(t.Context(), "m", "e1", 0, "", false); err != nil || d.Already || d.Key != key(2) {
		t.Fatalf("%+v, %v", d, err)
	}
	f.work(t, true, f.mended)
	f.wait(t, "e1", 2, "SUCCEEDED")
}

func TestRedriveDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	r, err := f.producer.Store(t.Context(), submission())
	if err != nil {
		t.Fatal(err)
	}
	f.commit(t, execution.Outcome{Key: key(1), Kind: execution.Dead, RequestDigest: r.Digest()})
	before := f.messages(t)
	d, err := f.operator(t).Redrive(t.Context(), "m", "e1", 0, "", true)
	if want := (producer.Redriven{Key: key(2), From: 1, State: execution.Accepted, DryRun: true}); err != nil || d != want {
		t.Errorf("%+v, %v", d, err)
	}
	if diff := cmp.Diff(before, f.messages(t)); diff != "" {
		t.Errorf("something changed: %s", diff)
	}
}

func TestRedriveAll(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t, true, func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		if a.Request.ID == "locked" && a.Request.Generation == 0 {
			return execution.Outcome{}, fault.New("WORKBOOK_LOCKED", "it has a password").Permanent()
		}
		return f.mended(ctx, a)
	})
	ids := []string{"e1", "e2", "locked", "gone"}
	for _, id := range ids {
		s := submission()
		s.ID = id
		if _, err := f.producer.Submit(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		f.letter(t, id, 1)
	}
	if _, err := f.js.Publish(t.Context(), bus.SubjectMailbox("m"), []byte("no request")); err != nil {
		t.Fatal(err)
	}
	refused := func() (n int) {
		for l, err := range queue.Letters(t.Context(), f.js, queue.LetterFilter{}) {
			if err == nil && l.Refused() {
				n++
			}
		}
		return n
	}
	for deadline := time.Now().Add(20 * time.Second); refused() == 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if err := f.objects.Delete(t.Context(), intake.RequestKey("m", "gone")); err != nil {
		t.Fatal(err)
	}
	all := func(filter queue.LetterFilter) map[string]string {
		got := map[string]string{}
		for d, err := range f.operator(t).RedriveAll(t.Context(), filter, "", false) {
			got[d.ID] = string(fault.CodeOf(err))
			if err == nil {
				got[d.ID] = string(d.State)
			}
		}
		return got
	}
	if got := all(queue.LetterFilter{Mailbox: "other"}); len(got) != 0 {
		t.Errorf("another mailbox: %v", got)
	}
	if got := all(queue.LetterFilter{Since: time.Now().Add(time.Hour)}); len(got) != 0 {
		t.Errorf("since later: %v", got)
	}
	if diff := cmp.Diff(map[string]string{"locked": "ACCEPTED"}, all(queue.LetterFilter{Code: "WORKBOOK_LOCKED"})); diff != "" {
		t.Error(diff)
	}
	// The bytes of the one that is gone stand in its dead letter.
	if diff := cmp.Diff(map[string]string{"e1": "ACCEPTED", "e2": "ACCEPTED", "gone": "ACCEPTED"}, all(queue.LetterFilter{Mailbox: "m"})); diff != "" {
		t.Error(diff)
	}
	for _, id := range ids {
		f.wait(t, id, 2, "SUCCEEDED")
	}
	if got := all(queue.LetterFilter{}); len(got) != 0 {
		t.Errorf("again: %v", got)
	}
}
