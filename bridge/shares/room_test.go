package shares_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// alone is a bridge without faults, and whether it leads.
func alone(t *testing.T, limits budget.Config, leads bool) *shares.Member {
	t.Helper()
	w := newWorld(1, limits)
	w.faulty = false
	b := &bridge{w: w, name: "b1"}
	m := shares.NewMember(store{b}, limits, worst, 5*slots, b.name, timing)
	ctx, stop := context.WithCancel(context.Background())
	w.running.Go(func() { _ = m.Run(ctx, ctx.Done()) })
	if leads {
		w.running.Go(func() { _ = shares.NewLead(store{b}, ledger{b}, limits, b.name, timing).Run(ctx) })
	}
	t.Cleanup(func() {
		stop()
		w.running.Wait()
	})
	time.Sleep(time.Second)
	return m
}

func reserve(t *testing.T, m *shares.Member, mailbox, id string) (ticket string, ok bool) {
	t.Helper()
	k := execution.Key{Mailbox: mailbox, ID: id, Generation: 1}
	ticket, err := m.Reserve(t.Context(), k, time.Now().Add(timeout))
	if busy, isBusy := errors.AsType[*execution.BusyError](err); err != nil && (!isBusy || busy.For > 500*time.Millisecond) {
		t.Errorf("refused with %v: workers should have it soon", err)
	}
	return ticket, err == nil
}

// There is room for as many as there are tickets, less what was taken and has none yet.
func TestRoomIsWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := alone(t, budget.Config{Hour: 2 * 2.5 * worst}, true) // two at once
		for taken, want := range []int{2, 1, 0, 0} {
			if got := m.Room(taken); got != want {
				t.Errorf("with %d taken there is room for %d, want %d", taken, got, want)
			}
		}
		first, _ := reserve(t, m, "stock", "e1")
		time.Sleep(time.Second)
		if got := m.Room(1); got != 1 {
			t.Errorf("room for %d, want 1: what was taken has its ticket", got)
		}
		second, _ := reserve(t, m, "stock", "e2")
		time.Sleep(100 * time.Millisecond)
		if ok, reason := m.Open(time.Now()); ok || reason == "" || m.Room(2) != 0 {
			t.Errorf("open %v, %q, room for %d; everything is reserved", ok, reason, m.Room(2))
		}
		for _, id := range []string{first, second} {
			if err := m.Settle(t.Context(), id, 0); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Second)
		if ok, _ := m.Open(time.Now()); !ok || m.Room(0) < 1 {
			t.Errorf("open %v, room for %d; everything came back", ok, m.Room(0))
		}
	})
}

func TestWithoutLimitsThereIsRoomForAll(t *testing.T) {
	t.Parallel()
	m := shares.NewMember(nil, budget.Config{}, worst, slots, "b1", timing)
	if ok, _ := m.Open(time.Now()); !ok || m.Room(1000) != math.MaxInt {
		t.Errorf("open %v, room for %d", ok, m.Room(1000))
	}
}

// Work of a mailbox that has spent its limit is found out one by one, not by the dozen.
func TestAMailboxWithoutMoneyKeepsLittleAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := alone(t, budget.Config{Mailboxes: map[string]float64{"ventas": 2 * 1.5 * worst}}, true)
		before := m.Room(0)
		if _, ok := reserve(t, m, "ventas", "e1"); !ok {
			t.Fatal("the first is refused")
		}
		if _, ok := reserve(t, m, "ventas", "e2"); ok {
			t.Fatal("the second is not refused")
		}
		if now := m.Room(1); before < 10 || now > 4 || now < 1 {
			t.Errorf("room for %d after a refusal, and for %d before", now, before)
		}
		if _, ok := reserve(t, m, "stock", "e3"); !ok {
			t.Error("other mailboxes are refused too")
		}
	})
}

// Where no bridge leads nothing is issued, and it is said why.
func TestWithoutALeadNothingIsIssued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := alone(t, limits, false)
		time.Sleep(time.Second)
		if ok, reason := m.Open(time.Now()); ok || reason == "" || m.Room(0) != 0 {
			t.Errorf("open %v, %q, room for %d", ok, reason, m.Room(0))
		}
	})
}

// Without a budget, too, a bridge takes nothing while no other grants it a share of what
// the Lambda takes: those who don't hear of each other would all take all of it.
func TestASilentLeadLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1, budget.Config{})
		w.faulty = false
		b := &bridge{w: w, name: "b1"}
		m := shares.NewMember(store{b}, budget.Config{}, worst, 5*slots, b.name, timing)
		ctx, stop := context.WithCancel(context.Background())
		w.running.Go(func() { _ = m.Run(ctx, ctx.Done()) })
		lead := func() (end func()) {
			leading, end := context.WithCancel(ctx)
			w.running.Go(func() { _ = shares.NewLead(store{b}, ledger{b}, budget.Config{}, b.name, timing).Run(leading) })
			return end
		}
		takes := func(want bool, when string) {
			t.Helper()
			ok, reason := m.Open(time.Now())
			if room := m.Room(0); ok != want || (room > 0) != want || ok == (reason != "") {
				t.Errorf("%s: open %v because %q, room %d", when, ok, reason, room)
			}
		}
		end := lead()
		time.Sleep(10 * timing.Lease)
		takes(true, "while one leads")
		end()
		time.Sleep(timing.Lease / 2)
		takes(true, "half a lease after its death")
		time.Sleep(timing.Lease)
		takes(false, "one and a half after")
		lead()
		time.Sleep(time.Second)
		takes(true, "when another leads")
		stop()
		w.running.Wait()
	})
}
