package console

import (
	"html/template"
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/shared/heartbeat"
)

// Budget is what the Lambda may cost, and did.
type Budget struct {
	Limits  []Limit
	Settled float64 // USD, all that was ever settled
	Short   string  // why bridges get less than they ask for, if they do
}

// Limit is one limit of a budget. Amounts are in USD.
type Limit struct {
	Window   string // hour or day
	Mailbox  string // none is the whole fleet
	Limit    float64
	Debt     float64 // spent, and not come back yet
	Reserved float64 // the most that invocations under way can cost
	Free     float64
}

// Room is what can be spent at once when nothing is.
func (l Limit) Room() float64 { return l.Debt + l.Reserved + l.Free }

// Taken is what of it is spent or reserved.
func (l Limit) Taken() float64 { return l.Debt + l.Reserved }

// fleetView is what the page of the fleet shows.
type fleetView struct {
	sample
	Known           bool          // a sample was taken
	Stale           bool          // it is old
	Waiting, Flight template.HTML // charts of the last minutes
	Workers         []memberRow
	Bridges         []memberRow
	Budget          *Budget
	Delegated       *delegatedView // nil when nobody can say
	Hour            *hourView      // nil without a ledger
	Dead            int
	DeadKnown       bool
	Bounded         bool // to some mailboxes: then the hour, the budget and the dead are theirs
}

// memberRow is a worker or a bridge.
type memberRow struct {
	heartbeat.Member
	Up    string
	State label
}

// Slots are a worker's, one by one, while there are few: whether each is busy.
func (m memberRow) Slots() []bool {
	const few = 16
	if m.Worker == nil || m.Worker.Slots > few {
		return nil
	}
	slots := make([]bool, m.Worker.Slots)
	for i := range slots {
		slots[i] = i < m.Worker.Busy
	}
	return slots
}

// Here reports whether the member answers.
func (m memberRow) Here() bool {
	return m.Presence == heartbeat.Here || m.Presence == heartbeat.Draining
}

func (c *Console) viewFleet(v *visit) (any, error) {
	f := fleetView{sample: c.watch.now()}
	f.Known = !f.At.IsZero()
	f.Stale = f.Known && v.now.Sub(f.At) > 5*watchEvery
	if err := c.drawMinutes(v, &f); err != nil {
		return nil, err
	}
	for _, m := range c.watch.members() {
		row := memberRow{Member: m, State: presence(v.words, m)}
		if !m.Started.IsZero() {
			row.Up = v.words.span(m.Heard.Sub(m.Started))
		}
		if m.Kind == heartbeat.KindWorker {
			f.Workers = append(f.Workers, row)
		} else {
			f.Bridges = append(f.Bridges, row)
		}
	}
	f.Dead, f.DeadKnown = int(f.Backlog.Dead), f.Known //nolint:gosec // a count of messages
	f.Bounded = !v.who.Everywhere()
	if c.trends != nil {
		buckets, dead, err := c.trends.of(v.Context(), v.mailboxes(""), v.now)
		if err != nil {
			return nil, err
		}
		hour, err := newHour(v.words, buckets)
		if err != nil {
			return nil, err
		}
		f.Hour = &hour
		if f.Bounded {
			f.Dead, f.DeadKnown = dead, true
		}
	} else if f.Bounded {
		f.DeadKnown = false
	}
	if c.handed != nil {
		f.Delegated = c.handed.of(v)
	}
	if c.spending != nil {
		f.Budget = c.spending.of(v)
	}
	return f, nil
}

// drawMinutes draws what waited and what was in flight in the last minutes.
func (c *Console) drawMinutes(v *visit, f *fleetView) (err error) {
	counts := func(title string, of func(sample) float64) (template.HTML, error) {
		values := c.watch.recent(of)
		if len(values) == 0 {
			return "", nil
		}
		most := max(1, slices.Max(values))
		return drawLines(v.words.T("chart.counts", title, int(values[len(values)-1]), int(slices.Max(values))), watchKept, most, values)
	}
	if f.Waiting, err = counts(v.words.T("fleet.waiting"), func(s sample) float64 { return float64(s.Backlog.Waiting) }); err != nil {
		return err
	}
	f.Flight, err = counts(v.words.T("fleet.flight"), func(s sample) float64 { return float64(s.Backlog.InFlight) })
	return err
}

// presence says what became of a member.
func presence(w *words, m heartbeat.Member) label {
	silent := w.span(time.Since(m.Heard))
	switch m.Presence {
	case heartbeat.Draining:
		return label{"warn", w.T("presence.draining")}
	case heartbeat.Stopped:
		return label{"dim", w.T("presence.stopped", silent)}
	case heartbeat.Dead:
		return label{"bad", w.T("presence.dead", silent)}
	}
	return label{"good", w.T("presence.here")}
}
