package budget_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/shared/fault"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func reserve(t *testing.T, a *budget.Account, now time.Time, id, mailbox string, usd float64) bool {
	t.Helper()
	err := a.Reserve(now, budget.Reservation{ID: id, Mailbox: mailbox, USD: usd})
	if err != nil && fault.CodeOf(err) != budget.CodeExhausted {
		t.Fatal(err)
	}
	return err == nil
}

func TestReserveThenSettle(t *testing.T) {
	a := budget.Open(budget.Config{Hour: 1}, budget.State{})
	if !reserve(t, a, start, "a", "", 0.3) || reserve(t, a, start, "b", "", 0.21) {
		t.Fatal("half of the limit can be reserved at once, and no more")
	}
	if !a.Settle(start, "a", 0.1) || a.Settle(start, "a", 0.1) {
		t.Fatal("a reservation is settled once")
	}
	if got := a.Free(start, ""); math.Abs(got-0.4) > 1e-9 {
		t.Errorf("free %v", got)
	}
	if got := a.Free(start.Add(6*time.Minute), ""); math.Abs(got-0.45) > 1e-8 {
		t.Errorf("free after 6 minutes %v: half the limit comes back in an hour", got)
	}
	if got := a.Free(start.Add(time.Hour), ""); got != 0.5 {
		t.Errorf("free after an hour %v", got)
	}
}

func TestWhatIsReservedIsNotPaidOff(t *testing.T) {
	a := budget.Open(budget.Config{Hour: 1}, budget.State{})
	if !reserve(t, a, start, "a", "", 0.5) {
		t.Fatal("refused")
	}
	if reserve(t, a, start.Add(1000*time.Hour), "b", "", 0.01) {
		t.Error("time has paid off what may still cost everything")
	}
	err := a.Reserve(start, budget.Reservation{ID: "a", USD: 0})
	if fault.CodeOf(err) != budget.CodeReserved {
		t.Errorf("the same id again: %v", err)
	}
}

func TestFrequentCallsPayAsMuch(t *testing.T) {
	a := budget.Open(budget.Config{Hour: 0.001}, budget.State{})
	reserve(t, a, start, "a", "", 0.0005)
	a.Settle(start, "a", 0.0005)
	for i := range 36_000 { // each pays, and keeps what is left
		now := start.Add(time.Duration(i) * 50 * time.Millisecond)
		reserve(t, a, now, "nothing", "", 0)
		a.Settle(now, "nothing", 0)
	}
	now := start.Add(30 * time.Minute)
	if got := a.Free(now, ""); math.Abs(got-0.00025) > 2e-9 {
		t.Errorf("free after half an hour %v", got)
	}
	if got := a.Free(now.Add(-time.Hour), ""); got > 0.00025 {
		t.Errorf("a clock that went back has paid %v", got)
	}
}

func TestLimitsHoldTogether(t *testing.T) {
	cfg := budget.Config{Hour: 1, Day: 1.2, Mailboxes: map[string]float64{"ventas": 0.2}}
	a := budget.Open(cfg, budget.State{})
	if reserve(t, a, start, "a", "ventas", 0.11) || !reserve(t, a, start, "b", "ventas", 0.1) || !reserve(t, a, start, "c", "stock", 0.4) {
		t.Fatal("a mailbox's limit is its own, the fleet's is everybody's")
	}
	a.Settle(start, "b", 0.1)
	a.Settle(start, "c", 0.4)
	later := start.Add(time.Hour) // which has paid off all of the hour's, and 0.025 of the day's
	if got := a.Free(later, "stock"); math.Abs(got-0.125) > 1e-8 {
		t.Errorf("free %v, by the day", got)
	}
	if got := a.Report(later); len(got) != 3 || got[1].Window != "day" || math.Abs(got[1].Debt-0.475) > 1e-8 || got[2].Mailbox != "ventas" {
		t.Errorf("%+v", got)
	}
}

func TestStateGoesOnWhereItWas(t *testing.T) {
	cfg := budget.Config{Hour: 1, Mailboxes: map[string]float64{"ventas": 0.2}}
	a := budget.Open(cfg, budget.State{})
	reserve(t, a, start, "a", "ventas", 0.1)
	reserve(t, a, start, "b", "", 0.2)
	a.Settle(start, "b", 0.123456789)
	text, err := json.Marshal(a.State())
	if err != nil {
		t.Fatal(err)
	}
	var state budget.State
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	b := budget.Open(cfg, state)
	now := start.Add(time.Minute)
	if !reflect.DeepEqual(a.Report(now), b.Report(now)) {
		t.Errorf("%+v became %+v", a.Report(now), b.Report(now))
	}
	if !b.Settle(now, "a", 0) {
		t.Error("a kept reservation can't be settled")
	}
}

func TestNoLimitRefusesNothing(t *testing.T) {
	a := budget.Open(budget.Config{}, budget.State{})
	if !reserve(t, a, start, "a", "", 1e6) || !math.IsInf(a.Free(start, ""), 1) {
		t.Error("refused without a limit")
	}
}

func TestValidateNamesTheVariable(t *testing.T) {
	if err := (budget.Config{Hour: 1, Day: 5, Mailboxes: map[string]float64{"a": 0.5}}).Validate(0.021); err != nil {
		t.Fatal(err)
	}
	tests := map[string]budget.Config{
		"BUDGET_HOUR_USD":    {Hour: 0.04},
		"BUDGET_DAY_USD":     {Day: -1},
		"BUDGET_MAILBOX_USD": {Mailboxes: map[string]float64{"a": 0}},
	}
	for variable, cfg := range tests {
		if err := cfg.Validate(0.021); err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

// TestNoHourCostsMore lets invocations of random cost and fate reserve all they
// can get, and adds up every hour, with each cost dated anywhere between its
// reservation and its settlement.
func TestNoHourCostsMore(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		const limit = 0.2
		if most := mostInAnHour(t, seed, limit); most > limit || most < limit/4 {
			t.Errorf("seed %d: an hour cost $%v of $%v", seed, most, limit)
		}
	}
}

type cost struct {
	at  time.Time
	usd float64
}

type running struct {
	id         string
	begun, end time.Time
	usd        float64
}

// mostInAnHour runs invocations as the account allows and returns the most that
// any hour has cost.
func mostInAnHour(t *testing.T, seed uint64, limit float64) float64 {
	const worst = 0.021
	random := rand.New(rand.NewPCG(seed, 7))
	a := budget.Open(budget.Config{Hour: limit}, budget.State{})
	var costs []cost
	var open []running
	now := start
	for i := range 4000 {
		now = now.Add(time.Duration(random.ExpFloat64() * float64(10*time.Second)))
		if random.IntN(500) == 0 {
			now = now.Add(3 * time.Hour) // a quiet time fills everything up
		}
		for len(open) > 0 && !open[0].end.After(now) {
			r := open[0]
			open = open[1:]
			at := r.begun.Add(time.Duration(random.Float64() * float64(r.end.Sub(r.begun))))
			costs = append(costs, cost{at, r.usd})
			if random.IntN(1000) > 0 { // otherwise nobody knows, and it stays charged
				a.Settle(r.end, r.id, r.usd)
			}
		}
		if id := fmt.Sprint(i); reserve(t, a, now, id, "", worst) {
			open = append(open, running{id, now, now.Add(15 * time.Minute), worst * math.Pow(random.Float64(), 3)})
		}
	}
	slices.SortFunc(costs, func(a, b cost) int { return a.at.Compare(b.at) })
	var sum, most float64
	from := 0
	for _, c := range costs {
		for sum += c.usd; c.at.Sub(costs[from].at) > time.Hour; from++ {
			sum -= costs[from].usd
		}
		most = max(most, sum)
	}
	return most
}
