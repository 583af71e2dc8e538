package queue_test

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// accepted puts n requests of mailbox and sender on the queue that were accepted some time
// ago, and may have a deadline of their own.
func accepted(t *testing.T, js jetstream.JetStream, mailbox, sender string, n int, ago time.Duration, deadline time.Time) {
	t.Helper()
	for i := range n {
		r := request(i)
		r.ID, r.Mailbox, r.Sender, r.Deadline = sender+strconv.Itoa(i), mailbox, sender, deadline
		body, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		msg := nats.NewMsg(bus.SubjectExec(mailbox, r.ID))
		msg.Data = body
		msg.Header.Set("Sage-Enqueued", time.Now().Add(-ago).UTC().Format(time.RFC3339Nano))
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
}

// saving are slots of a worker that keeps to what can still end in time.
func saving() queue.Slots {
	s := slots
	s.Deadline = 10 * time.Minute
	return s
}

// last is the place of the last execution of mailbox.
func last(list []string, mailbox string) int {
	return len(list) - 1 - slices.Index(reversed(list), mailbox)
}

// unhurried executes slowly until something was early: however slow the machine, the scout
// is there before all is done.
func (o *order) unhurried(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
	if o.early.Load() == 0 {
		time.Sleep(100 * time.Millisecond)
	}
	return o.execute(ctx, a)
}

func sender(r execution.Request) string { return r.Sender }

func TestLateWorkLeavesTheRestItsTime(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	const late, fresh = 400, 60
	accepted(t, js, "ventas", "tarde", late, time.Hour, time.Time{})
	accepted(t, js, "ventas", "puntual", fresh, 0, time.Time{})
	o := order{name: sender}
	run(t, queue.NewWorker(js, ackWait, saving(), config), o.unhurried)
	eventually(t, "all are executed", func() bool { return o.count() == late+fresh })
	eventually(t, "nothing waits", func() bool { return backlog(t, js) == queue.Backlog{} })
	until := last(o.list, "puntual")
	between := until + 1 - fresh
	t.Logf("the last that could end in time was number %d of %d; %d late ones ended before it", until, late+fresh, between)
	if until > (late+fresh)*3/4 {
		t.Errorf("the last that could end in time was number %d of %d", until, late+fresh)
	}
	if between < fresh/6 {
		t.Errorf("only %d late ones ended meanwhile: they starve", between)
	}
}

// Two mailboxes in which nobody is late share what is kept for such.
func TestWhatCanEndInTimeIsSharedEvenly(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	accepted(t, js, "tarde", "tarde", 400, time.Hour, time.Time{})
	accepted(t, js, "ruidosa", "ruidosa", 200, 0, time.Time{})
	accepted(t, js, "callada", "callada", 20, 0, time.Time{})
	var o order
	run(t, queue.NewWorker(js, ackWait, saving(), config), o.unhurried)
	eventually(t, "all are executed", func() bool { return o.count() == 620 })
	if until := last(o.list, "callada"); until > 200 {
		t.Errorf("the quiet mailbox's last execution was number %d of 620", until)
	}
}

func TestADeadlineOfItsOwnCounts(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	accepted(t, js, "tarde", "tarde", 300, time.Hour, time.Time{})
	accepted(t, js, "paciente", "paciente", 20, time.Hour, time.Now().Add(time.Hour))
	accepted(t, js, "urgente", "urgente", 20, 0, time.Now().Add(-time.Minute))
	var o order
	run(t, queue.NewWorker(js, ackWait, saving(), config), o.unhurried)
	eventually(t, "all are executed", func() bool { return o.count() == 340 })
	if until := last(o.list, "paciente"); until > 150 {
		t.Errorf("the last of those with time was number %d of 340", until)
	}
}

func TestWithoutADeadlineTheOrderIsTheQueues(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	accepted(t, js, "tarde", "tarde", 50, time.Hour, time.Time{})
	accepted(t, js, "tarde", "puntual", 50, 0, time.Time{})
	var o order
	run(t, queue.NewWorker(js, ackWait, slots, config), o.execute)
	eventually(t, "all are executed", func() bool { return o.count() >= 50 })
	if n := o.early.Load(); n != 0 {
		t.Errorf("%d executions were early", n)
	}
}
