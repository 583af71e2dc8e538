package queue_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// publish puts n requests of mailbox on the queue.
func publish(t *testing.T, js jetstream.JetStream, mailbox string, n int) {
	t.Helper()
	for i := range n {
		r := request(i)
		r.Mailbox = mailbox
		if err := queue.Publish(t.Context(), js, r); err != nil {
			t.Fatal(err)
		}
	}
}

// order is an executor that ends each execution once, as a guard would, and notes
// whose it was.
type order struct {
	mu    sync.Mutex
	ended map[execution.Key]bool
	list  []string
	early atomic.Int32
	name  func(execution.Request) string // what list has of each; the mailbox when nil
}

func (o *order) execute(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
	o.mu.Lock()
	known := o.ended[a.Request.Key()]
	if o.ended == nil {
		o.ended = map[execution.Key]bool{}
	}
	o.ended[a.Request.Key()] = true
	o.mu.Unlock()
	if known {
		return succeed(a)
	}
	if a.Early {
		o.early.Add(1)
	}
	time.Sleep(5 * time.Millisecond)
	o.mu.Lock()
	defer o.mu.Unlock()
	name := a.Request.Mailbox
	if o.name != nil {
		name = o.name(a.Request)
	}
	o.list = append(o.list, name)
	return succeed(a)
}

func (o *order) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.list)
}

func TestAQuietMailboxIsServedBeforeItsTurn(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	const noisy, quiet = 400, 10
	publish(t, js, "ruidosa", noisy)
	publish(t, js, "callada", quiet)
	var o order
	run(t, queue.NewWorker(js, ackWait, slots, config), o.execute)
	eventually(t, "all are executed", func() bool { return o.count() == noisy+quiet })
	eventually(t, "nothing waits", func() bool { return backlog(t, js) == queue.Backlog{} })
	last := noisy + quiet - 1 - slices.Index(reversed(o.list), "callada")
	t.Logf("the quiet mailbox's last execution was number %d of %d; %d were early", last, noisy+quiet, o.early.Load())
	if last > (noisy+quiet)*3/4 || o.early.Load() == 0 {
		t.Errorf("the quiet mailbox's last execution was number %d of %d, %d early", last, noisy+quiet, o.early.Load())
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

func TestNobodyIsEarlyWhenOneMailboxIsAlone(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	publish(t, js, "ruidosa", 100)
	var o order
	run(t, queue.NewWorker(js, ackWait, slots, config), o.execute)
	eventually(t, "all are executed", func() bool { return o.count() == 100 })
	if n := o.early.Load(); n != 0 {
		t.Errorf("%d executions were early", n)
	}
}

// What is executed early is delivered once more: not for differences that are chance.
func TestMailboxesThatHaveAboutTheSameAreServedInOrder(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	const each = 200
	for i := range each {
		for _, mailbox := range []string{"una", "otra"} {
			r := request(i)
			r.Mailbox = mailbox
			if err := queue.Publish(t.Context(), js, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	var o order
	run(t, queue.NewWorker(js, ackWait, slots, config), o.execute)
	eventually(t, "all are executed", func() bool { return o.count() == 2*each })
	if n := o.early.Load(); n > each/2 {
		t.Errorf("%d of %d executions were early", n, 2*each)
	} else {
		t.Logf("%d of %d executions were early", n, 2*each)
	}
}

func TestAMailboxHasNoMoreSlotsThanItMay(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	publish(t, js, "ruidosa", 30)
	publish(t, js, "callada", 30)
	limited := slots
	limited.Mailbox = 1
	var running, most sync.Map // by mailbox: *atomic.Int32
	counter := func(m *sync.Map, mailbox string) *atomic.Int32 {
		n, _ := m.LoadOrStore(mailbox, new(atomic.Int32))
		return n.(*atomic.Int32)
	}
	var both, done atomic.Int32
	run(t, queue.NewWorker(js, ackWait, limited, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		mine := counter(&running, a.Request.Mailbox)
		if n := mine.Add(1); n > counter(&most, a.Request.Mailbox).Load() {
			counter(&most, a.Request.Mailbox).Store(n)
		}
		time.Sleep(5 * time.Millisecond)
		if counter(&running, "ruidosa").Load() == 1 && counter(&running, "callada").Load() == 1 {
			both.Add(1)
		}
		mine.Add(-1)
		done.Add(1)
		return succeed(a)
	})
	eventually(t, "nothing waits", func() bool { return backlog(t, js) == queue.Backlog{} })
	for _, mailbox := range []string{"ruidosa", "callada"} {
		if n := counter(&most, mailbox).Load(); n != 1 {
			t.Errorf("%s had %d slots at once", mailbox, n)
		}
	}
	if both.Load() == 0 {
		t.Error("the other mailbox never ran beside the one that may have no more")
	}
}

func TestAnEarlyEndIsNotLost(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	publish(t, js, "ruidosa", 200)
	publish(t, js, "callada", 3)
	var early atomic.Int32
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		time.Sleep(5 * time.Millisecond)
		if a.Request.Mailbox == "ruidosa" {
			return succeed(a)
		}
		if a.Early {
			early.Add(1)
		}
		return execution.Outcome{Key: a.Request.Key(), Kind: execution.Dead,
			Fault: fault.Describe(fault.New("CONFIG_SYNTAX", "no").Permanent())}, nil
	})
	dead, err := js.Stream(t.Context(), bus.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a dead letter is written before its turn", func() bool {
		info, err := dead.Info(t.Context())
		return err == nil && info.State.Msgs > 0 && backlog(t, js).Waiting > 0
	})
	eventually(t, "nothing waits", func() bool { b := backlog(t, js); return b.Waiting+uint64(b.InFlight) == 0 })
	if b := backlog(t, js); b.Dead != 3 || early.Load() == 0 {
		t.Errorf("%d dead letters, %d early", b.Dead, early.Load())
	}
}

func TestAnEarlyFailureWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	publish(t, js, "ruidosa", 200)
	publish(t, js, "callada", 1)
	var early, inTurn atomic.Int32
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		time.Sleep(5 * time.Millisecond)
		if a.Request.Mailbox == "ruidosa" {
			return succeed(a)
		}
		if a.Early {
			early.Add(1)
			return execution.Outcome{}, &execution.RetryError{Number: 1, Err: context.DeadlineExceeded}
		}
		inTurn.Add(1)
		return succeed(a)
	})
	eventually(t, "nothing waits", func() bool { return backlog(t, js) == queue.Backlog{} })
	if early.Load() != 1 || inTurn.Load() != 1 {
		t.Errorf("%d early attempts and %d in turn, want one of each", early.Load(), inTurn.Load())
	}
}
