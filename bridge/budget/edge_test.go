package budget_test

import (
	"math"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// No number and no amount below nothing is reserved, and nothing of it is kept.
func TestWhatIsNoAmountIsRefused(t *testing.T) {
	a := budget.Open(budget.Config{Hour: 1}, budget.State{})
	for _, usd := range []float64{math.NaN(), -0.1, math.Inf(-1), math.Inf(1)} {
		if err := a.Reserve(start, budget.Reservation{ID: "a", USD: usd}); fault.CodeOf(err) != budget.CodeExhausted {
			t.Errorf("%v USD: %v", usd, err)
		}
	}
	if free := a.Free(start, ""); free != 0.5 || len(a.State().Open) > 0 {
		t.Errorf("$%v are free, and %d reservations open", free, len(a.State().Open))
	}
}

// A clock that went back neither pays anything off nor charges more.
func TestAClockThatWentBackChangesNothing(t *testing.T) {
	a := budget.Open(budget.Config{Hour: 1}, budget.State{})
	if !reserve(t, a, start, "a", "", 0.3) || !a.Settle(start, "a", 0.3) {
		t.Fatal("refused")
	}
	for _, back := range []time.Duration{time.Second, time.Hour, 1000 * time.Hour} {
		if free := a.Free(start.Add(-back), ""); math.Abs(free-0.2) > 1e-9 {
			t.Errorf("%v ago $%v are free", back, free)
		}
	}
	if !reserve(t, a, start.Add(-time.Hour), "b", "", 0.01) || !a.Settle(start.Add(-time.Hour), "b", 0.01) {
		t.Fatal("refused")
	}
	if free := a.Free(start, ""); free > 0.19+1e-9 {
		t.Errorf("$%v are free: the hour that the clock went back has paid something off", free)
	}
}

// Whatever is less than can be counted costs as much as can be: many times next to nothing
// is something.
func TestAmountsAreRoundedUp(t *testing.T) {
	a := budget.Open(budget.Config{Hour: 1}, budget.State{})
	if !reserve(t, a, start, "a", "", 1e-12) || a.State().Open["a"].Amount != 1 {
		t.Errorf("reserved: %+v", a.State().Open)
	}
	if a.Settle(start, "a", 1.5e-9); a.State().Settled != 2 {
		t.Errorf("settled: %d billionths", a.State().Settled)
	}
}

// What costs more than its worst case is charged whole, and told.
func TestAnOverrunIsChargedAndTold(t *testing.T) {
	a := budget.Open(budget.Config{Hour: 1}, budget.State{})
	if !reserve(t, a, start, "a", "", 0.1) || !a.Settle(start, "a", 0.4) {
		t.Fatal("refused")
	}
	if free := a.Free(start, ""); math.Abs(free-0.1) > 1e-9 {
		t.Errorf("$%v are free", free)
	}
	if got := budget.USD(a.State().Overrun); math.Abs(got-0.3) > 1e-9 {
		t.Errorf("overrun by $%v", got)
	}
	if !reserve(t, a, start, "b", "", 0.1) || !a.Settle(start, "b", 0.05) {
		t.Fatal("refused")
	}
	if got := budget.USD(a.State().Overrun); math.Abs(got-0.3) > 1e-9 {
		t.Errorf("overrun by $%v after one that cost less", got)
	}
}
