package shares_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// ahead is a store whose clock is behind that of who uses it.
type ahead struct {
	store
	mu sync.Mutex
	by time.Duration
}

func (a *ahead) Load(ctx context.Context, key string) (shares.Value, error) {
	v, err := a.store.Load(ctx, key)
	a.mu.Lock()
	defer a.mu.Unlock()
	v.Written = v.Written.Add(-a.by)
	return v, err
}

func (a *ahead) set(by time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.by = by
}

// The lead's clock may be set, or be another's: what was spent is paid off by the store's.
func TestALeadsClockPaysNothingOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := budget.Config{Hour: 2 * 1.5 * worst} // one at once
		w := newWorld(1, limits)
		w.faulty = false
		b := &bridge{w: w, name: "b1"}
		s := &ahead{store: store{b}}
		m := shares.NewMember(s, limits, worst, slots, b.name, timing)
		lead := shares.NewLead(s, ledger{b}, limits, b.name, timing)
		ctx, stop := context.WithCancel(context.Background())
		w.running.Go(func() { _ = m.Run(ctx, ctx.Done()) })
		w.running.Go(func() { _ = lead.Run(ctx) })
		defer func() {
			stop()
			w.running.Wait()
		}()
		time.Sleep(time.Minute)
		id, ok := reserve(t, m, "stock", "e1")
		if !ok {
			t.Fatal("the first is refused")
		}
		if err := m.Settle(t.Context(), id, worst); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.set(time.Hour) // the lead's clock is set forward by as much, to the store nothing happened
		time.Sleep(time.Hour + time.Minute)
		k := execution.Key{Mailbox: "stock", ID: "e2", Generation: 1}
		if _, err := m.Reserve(t.Context(), k, time.Now().Add(timeout)); !errors.As(err, new(*execution.BusyError)) {
			t.Errorf("reserved within minutes of the store's clock: %v", err)
		}
		time.Sleep(time.Hour)
		if _, ok := reserve(t, m, "stock", "e3"); !ok {
			t.Error("refused an hour later")
		}
	})
}
