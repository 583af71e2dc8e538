// Package budget accounts for what the cloud may cost, so that the spend of any
// hour and any day stays within its limit.
//
// What an invocation can cost at worst is reserved before it begins and settled by
// what it did cost when that is known. The surprise: a reservation nobody settles,
// because a bridge died, stays charged for ever; only who knows what it cost may
// settle it.
//
// The account does no I/O and has no clock: its State is JSON for whoever keeps
// it, and times are passed in.
package budget

import (
	"math"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Codes of refused reservations.
const (
	CodeExhausted fault.Code = "BUDGET_EXHAUSTED"
	CodeReserved  fault.Code = "BUDGET_RESERVED"
)

// Account holds a State to limits. It is not safe for concurrent use.
type Account struct {
	cfg   Config
	state State
	open  map[string]int64 // by window: the sum of what is reserved
}

// State is what an account remembers. Amounts are billionths of a USD, rounded up.
type State struct {
	Debts   map[string]Debt     `json:"debts,omitempty"`   // by window
	Open    map[string]Reserved `json:"open,omitempty"`    // reservations that aren't settled
	Settled int64               `json:"settled"`           // all that was ever settled
	Overrun int64               `json:"overrun,omitempty"` // of that, above what was reserved for it: 0 unless worst cases are wrong
}

// Debt is what was settled and isn't paid off yet.
type Debt struct {
	Amount int64     `json:"amount"`
	Since  time.Time `json:"since"` // until when it is paid off
}

// Reserved is one reservation.
type Reserved struct {
	Mailbox string    `json:"mailbox,omitempty"`
	Amount  int64     `json:"amount"`
	At      time.Time `json:"at"`
}

// Reservation asks for the most that something can cost.
type Reservation struct {
	ID      string // of the attempt: what is tried again is reserved again
	Mailbox string
	USD     float64
}

// Open returns the account of state, which may be empty, under cfg, which must be
// valid. Limits may have changed since the state was kept; a new one begins
// unspent. The account takes the state over.
func Open(cfg Config, state State) *Account {
	if state.Debts == nil {
		state.Debts = map[string]Debt{}
	}
	if state.Open == nil {
		state.Open = map[string]Reserved{}
	}
	a := &Account{cfg: cfg, state: state, open: map[string]int64{}}
	for _, r := range state.Open {
		a.hold(r.Mailbox, r.Amount)
	}
	return a
}

// State is what to keep. The account goes on changing it.
func (a *Account) State() State { return a.state }

// Reserve charges what r can cost at worst, or refuses with CodeExhausted and
// charges nothing. An ID that is open already is refused with CodeReserved.
func (a *Account) Reserve(now time.Time, r Reservation) error {
	if _, ok := a.state.Open[r.ID]; ok {
		return fault.New(CodeReserved, "reservation %q is open already", r.ID).Expecting("an id per attempt")
	}
	if !(r.USD >= 0) { // NaN too
		return fault.New(CodeExhausted, "reservation of %v USD", r.USD).Expecting("0 or more").Permanent()
	}
	amount := billionths(r.USD)
	for _, w := range a.cfg.of(r.Mailbox) {
		if free := a.free(w, now); amount > free {
			return fault.New(CodeExhausted, "budget of $%g %s: $%.6f are free now, $%.6f are needed", w.limit, w.words(), USD(free), USD(amount)).
				Advise("it executes on workers; room comes back with time")
		}
	}
	a.state.Open[r.ID] = Reserved{Mailbox: r.Mailbox, Amount: amount, At: now}
	a.hold(r.Mailbox, amount)
	return nil
}

// Settle replaces a reservation by what it did cost, in USD. It does nothing and is
// false where none is open: it was settled before.
func (a *Account) Settle(now time.Time, id string, cost float64) bool {
	r, ok := a.state.Open[id]
	if !ok {
		return false
	}
	delete(a.state.Open, id)
	a.hold(r.Mailbox, -r.Amount)
	amount := billionths(max(0, cost))
	for _, w := range a.cfg.of(r.Mailbox) {
		d := a.debt(w, now)
		d.Amount += amount
		a.state.Debts[w.key] = d
	}
	a.state.Settled += amount
	a.state.Overrun += max(0, amount-r.Amount)
	return true
}

// Free is how many USD can be reserved now for a mailbox; +Inf without limits.
func (a *Account) Free(now time.Time, mailbox string) float64 {
	free := math.Inf(1)
	for _, w := range a.cfg.of(mailbox) {
		free = min(free, USD(a.free(w, now)))
	}
	return free
}

// Left describes one limit.
type Left struct {
	Window   string  `json:"window"`            // hour or day
	Mailbox  string  `json:"mailbox,omitempty"` // none is the whole fleet
	Limit    float64 `json:"limit_usd"`
	Debt     float64 `json:"debt_usd"`     // settled, not yet paid off
	Reserved float64 `json:"reserved_usd"` // of invocations whose cost isn't known yet
	Free     float64 `json:"free_usd"`     // can be reserved now
}

// Report describes all limits as of now.
func (a *Account) Report(now time.Time) []Left {
	all := a.cfg.windows()
	report := make([]Left, 0, len(all))
	for _, w := range all {
		report = append(report, Left{Window: w.name, Mailbox: w.mailbox, Limit: w.limit, Debt: USD(a.debt(w, now).Amount),
			Reserved: USD(a.open[w.key]), Free: USD(a.free(w, now))})
	}
	return report
}

// free is what can be reserved in w now. Time pays off nothing of what is reserved
// until it is settled: this is why the costs of no hour exceed the limit, whether
// they are dated by when the invocation began or by when it ended.
func (a *Account) free(w window, now time.Time) int64 {
	return max(0, w.capacity()-a.debt(w, now).Amount-a.open[w.key])
}

// debt is what is left of w's at now. It pays whole billionths only and keeps the
// time that is left over; a clock that went back pays nothing.
func (a *Account) debt(w window, now time.Time) Debt {
	d, ok := a.state.Debts[w.key]
	if !ok || d.Amount == 0 {
		return Debt{Since: now}
	}
	perNano := float64(w.capacity()) / float64(w.length)
	paid := int64(max(0, float64(now.Sub(d.Since))) * perNano)
	if paid >= d.Amount {
		return Debt{Since: now}
	}
	d.Amount -= paid
	d.Since = d.Since.Add(time.Duration(math.Ceil(float64(paid) / perNano)))
	return d
}

// hold adds to what is reserved in the windows that count for a mailbox.
func (a *Account) hold(mailbox string, amount int64) {
	for _, w := range a.cfg.of(mailbox) {
		a.open[w.key] += amount
	}
}

// billion is in how many parts of a USD is counted.
const billion = 1e9

func billionths(usd float64) int64 { return int64(math.Ceil(min(usd, 1e9) * billion)) }

// USD is an amount of a State in USD.
func USD(amount int64) float64 { return float64(amount) / billion }
