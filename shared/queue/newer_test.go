package queue_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// newer is a request that only a later version can read.
const newer = `{"version":2,"execution_id":"e1","yaml_config":"x","parts":[{"uri":"u"}]}`

// heldSince waits until a message of e1 is scheduled that was left to newer programs, later
// than one at a position of LATER, and returns it.
func heldSince(t *testing.T, js jetstream.JetStream, position uint64) *jetstream.RawStreamMsg {
	t.Helper()
	later, err := js.Stream(t.Context(), bus.StreamLater)
	if err != nil {
		t.Fatal(err)
	}
	var held *jetstream.RawStreamMsg
	eventually(t, "it is left to others", func() bool {
		held, err = later.GetMsg(t.Context(), position+1, jetstream.WithGetMsgSubject(bus.SubjectsLeft("ventas", "e1")))
		return err == nil
	})
	return held
}

func TestWhatIsForNewerWorkersIsLeftToThem(t *testing.T) {
	t.Parallel()
	for name, subject := range map[string]string{
		"named": bus.SubjectExec("ventas", "e1"), "unnamed": bus.SubjectMailbox("ventas"), "for workers only": bus.SubjectLocal("ventas", "e1"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := bustest.Start(t)
			var executed atomic.Int32
			run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
				executed.Add(1)
				return succeed(a)
			})
			if _, err := js.Publish(t.Context(), subject, []byte(newer)); err != nil {
				t.Fatal(err)
			}
			first := heldSince(t, js, 0)
			if left, err := queue.Left(t.Context(), js, request(1).Key()); !left || err != nil {
				t.Errorf("left %v, %v", left, err)
			}
			if left, err := queue.Left(t.Context(), js, request(2).Key()); left || err != nil {
				t.Errorf("of another: left %v, %v", left, err)
			}
			// It came to a worker again, and keeps what it was and when it was accepted.
			again := heldSince(t, js, first.Sequence)
			for _, msg := range []*jetstream.RawStreamMsg{first, again} {
				if string(msg.Data) != newer || msg.Header.Get("Sage-Enqueued") != first.Header.Get("Sage-Enqueued") ||
					(msg.Header.Get("Sage-Local") != "") != bus.IsLocal(subject) {
					t.Errorf("%q with %v", msg.Data, msg.Header)
				}
			}
			if b := backlog(t, js); b.Dead != 0 || executed.Load() != 0 {
				t.Errorf("%+v, and %d executed", b, executed.Load())
			}
		})
	}
}

// It takes the place of nothing, although it says the same name.
func TestWhatIsForNewerWorkersReplacesNoRetry(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	cfg := config
	cfg.BackoffBase, cfg.BackoffCap = time.Hour, time.Hour
	run(t, queue.NewWorker(js, ackWait, slots, cfg), func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, &execution.RetryError{Number: 1, Err: context.DeadlineExceeded}
	})
	if err := queue.Publish(t.Context(), js, request(1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the retry waits", func() bool { return backlog(t, js).Later == 1 })
	for range 2 {
		if _, err := js.Publish(t.Context(), bus.SubjectMailbox("ventas"), []byte(newer)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both others wait too", func() bool { return backlog(t, js).Later == 3 })
	if found, ok, err := queue.Find(t.Context(), js, request(1).Key()); !ok || err != nil || found.Request.Version != 0 {
		t.Errorf("found %v %+v, %v", ok, found, err)
	}
}

// What is found of a later version while it waits for its first turn is there.
func TestWhatIsForNewerWorkersIsFound(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	if _, err := js.Publish(t.Context(), bus.SubjectExec("ventas", "e1"), []byte(newer)); err != nil {
		t.Fatal(err)
	}
	if found, ok, err := queue.Find(t.Context(), js, request(1).Key()); !ok || err != nil || found.Request.Version != 2 {
		t.Errorf("found %v %+v, %v", ok, found, err)
	}
}

// A version that never comes is refused in the end.
func TestNoNewerWorkerIsWaitedForForEver(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		return succeed(a)
	})
	msg := nats.NewMsg(bus.SubjectExec("ventas", "e1"))
	msg.Data = []byte(newer)
	msg.Header.Set("Sage-Enqueued", time.Now().Add(-8*24*time.Hour).UTC().Format(time.RFC3339Nano))
	ack, err := js.PublishMsg(t.Context(), msg)
	if err != nil {
		t.Fatal(err)
	}
	var letter queue.Letter
	eventually(t, "it is a dead letter", func() bool {
		letter, err = queue.ReadLetter(t.Context(), js, "ventas", fmt.Sprintf("@%s-%d", bus.StreamExecutions, ack.Sequence), 0)
		return err == nil
	})
	if letter.Code != string(execution.CodeVersion) || string(letter.Data) != newer {
		t.Errorf("%+v", letter)
	}
}

// A sweep moves what was left as it moves any retry whose schedule didn't fire.
func TestSweeperMovesWhatWasLeft(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	stop := run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		return succeed(a)
	})
	if _, err := js.Publish(t.Context(), bus.SubjectExec("ventas", "e1"), []byte(newer)); err != nil {
		t.Fatal(err)
	}
	heldSince(t, js, 0)
	stop()
	eventually(t, "a sweep moves it to the queue", func() bool {
		sweep(t, queue.NewSweeper(js, 0, idle))
		b := backlog(t, js)
		return b.Waiting == 1 && b.Later == 0
	})
	if b := backlog(t, js); b.Dead != 0 {
		t.Errorf("%+v", b)
	}
}
