package shares_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/shares"
)

var seeds = flag.Int("seeds", 6, "how many worlds of three bridges are lived through")

// In scarcity every ticket is used at once; in plenty many lie about unused.
var (
	limits = budget.Config{Hour: 0.3, Day: 3, Mailboxes: map[string]float64{"ventas": 0.1}}
	plenty = budget.Config{Hour: 1.5, Day: 20, Mailboxes: map[string]float64{"ventas": 0.3}}
	timing = shares.Config{Lease: 30 * time.Second}
)

// Three bridges that crash, stop and lose answers at every step, all of them leading,
// never spend more than the budget, in no hour and no day.
func TestNoSpanCostsMoreThanItsBudget(t *testing.T) {
	t.Parallel()
	total := map[string]int{}
	served := 0
	for seed := range *seeds {
		synctest.Test(t, func(t *testing.T) {
			limits := limits
			if seed%2 == 1 {
				limits = plenty
			}
			w := newWorld(uint64(seed), limits)
			w.live(3*time.Hour, 3)
			hour := most(w.spent, time.Hour, "")
			t.Logf("seed %d: %d invocations; the dearest hour $%.3f of %.2f, of ventas $%.3f of %.2f", seed, w.served, hour, limits.Hour,
				most(w.spent, time.Hour, "ventas"), limits.Mailboxes["ventas"])
			if hour > limits.Hour+1e-9 || most(w.spent, 24*time.Hour, "") > limits.Day+1e-9 || most(w.spent, time.Hour, "ventas") > limits.Mailboxes["ventas"]+1e-9 {
				t.Errorf("seed %d: the budget was exceeded", seed)
			}
			for _, wrong := range w.wrong {
				t.Errorf("seed %d: %s", seed, wrong)
			}
			for step, n := range w.faults {
				total[step] += n
			}
			served += w.served
		})
	}
	if served < 20**seeds {
		t.Errorf("only %d invocations in %d worlds: this shows nothing", served, *seeds)
	}
	for _, step := range []string{"save account", "save share", "load account", "load share", "keys", "save ledger", "invoke"} {
		for _, when := range []string{"before ", "after "} {
			if total[when+step+" pause"]+total[when+step+" crash"] == 0 {
				t.Errorf("no bridge crashed or stopped %s%s", when, step)
			}
		}
	}
}

// live lets n bridges, each followed by another when it has crashed, live for so long.
func (w *world) live(long time.Duration, n int) {
	ctx, stop := context.WithCancel(context.Background())
	for i := range n {
		w.running.Go(func() {
			for start := 0; ctx.Err() == nil; start++ {
				b := &bridge{w: w, name: fmt.Sprintf("b%d-%d", i, start)}
				ended := make(chan struct{})
				w.running.Go(func() {
					defer close(ended)
					b.run(ctx, timing)
				})
				for ctx.Err() == nil && !b.isDead() {
					time.Sleep(time.Second)
				}
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(w.chance() * float64(10*time.Minute))):
				}
			}
		})
	}
	time.Sleep(long)
	stop()
	close(w.over)
	w.running.Wait()
}

// most is the most that any span of a length cost.
func most(all []spend, span time.Duration, mailbox string) (most float64) {
	counted := slices.DeleteFunc(slices.Clone(all), func(s spend) bool { return mailbox != "" && s.mailbox != mailbox })
	slices.SortFunc(counted, func(a, b spend) int { return a.at.Compare(b.at) })
	sum, from := 0.0, 0
	for _, s := range counted {
		for sum += s.usd; s.at.Sub(counted[from].at) > span; from++ {
			sum -= counted[from].usd
		}
		most = max(most, sum)
	}
	return most
}

// What dead bridges held comes back: unused tickets at once, used ones when their
// invocations are over.
func TestWhatADeadBridgeHeldComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1, limits)
		for long := 30 * time.Minute; ; long += time.Minute {
			if w.live(long, 3); len(w.account(t).Budget.Open) > 0 {
				break // and all are dead
			}
			w = newWorld(uint64(long), limits)
		}
		w.over, w.faulty = make(chan struct{}), false
		b := &bridge{w: w, name: "survivor"}
		lead := shares.NewLead(store{b}, ledger{b}, limits, b.name, timing)
		time.Sleep(2 * time.Hour)
		for range 4 { // the first one learns what time it is
			if err := lead.Tend(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if a := w.account(t); len(a.Budget.Open) > 0 || len(a.Issued) > 0 {
			t.Errorf("%d tickets are still open, and %d shares known", len(a.Budget.Open), len(a.Issued))
		}
		for key := range w.values {
			if key != "account" {
				t.Errorf("%s is still there", key)
			}
		}
		if free := budget.Open(limits, w.account(t).Budget).Free(time.Now().Add(24*time.Hour), ""); free < limits.Hour/2-1e-9 {
			t.Errorf("a day later $%v can be spent at once, want half of %v", free, limits.Hour)
		}
	})
}

func (w *world) account(t *testing.T) (a shares.Account) {
	t.Helper()
	if err := json.Unmarshal(w.values["account"].Data, &a); err != nil {
		t.Fatal(err)
	}
	return a
}
