// Package doctor looks at everything a fleet rests on, and says what is wrong with it
// and what to do.
//
// It changes nothing but for a few objects under [ProbePrefix] in storage, which it
// removes again: whether storage keeps its promises shows only when it is written to.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/ledger"
)

// Status is how serious a finding is.
type Status string

// Statuses.
const (
	OK   Status = "ok"
	Warn Status = "warn" // the fleet works; somebody should look
	Fail Status = "fail" // something won't work
	Skip Status = "skip" // can't be known, for the reason that is found
)

// Finding is what one look at one thing found.
type Finding struct {
	Check  string     `json:"check"` // such as nats.topology; never changes its meaning
	Status Status     `json:"status"`
	Found  string     `json:"found"`
	Do     string     `json:"do,omitempty"`   // what to do about it
	Code   fault.Code `json:"code,omitempty"` // of the fault, when there is one
}

// Check is one thing to look at. It returns at least one finding.
type Check struct {
	Name string
	Look func(context.Context) []Finding
}

// Fleet says where everything is.
type Fleet struct {
	Bus     bus.Config
	As      bus.Identity // who looks
	Mailbox string       // one that a producer submits to
	Storage string       // URL; empty when none is named
	Ledger  ledger.Config
}

// Limits are what findings are judged by.
type Limits struct {
	Connect   time.Duration // a server that can't be reached for so long is a failure; somebody sits and waits
	Far       time.Duration // a server further away is a warning
	Slow      time.Duration // storage that takes longer to create a small object is a warning
	Skew      time.Duration // clocks further apart are a warning
	Signature time.Duration // clocks further apart have AWS refuse requests
	Low       float64       // percent of space or files free, below which is a warning
	Full      float64       // the same, a failure
}

// DefaultLimits are those of an ordinary fleet.
var DefaultLimits = Limits{Connect: 5 * time.Second, Far: 50 * time.Millisecond, Slow: 500 * time.Millisecond, Skew: 2 * time.Second,
	Signature: 5 * time.Minute, Low: 10, Full: 1}

// patience is how long one check may take.
const patience = 30 * time.Second

// Doctor examines a fleet.
type Doctor struct {
	fleet  Fleet
	limits Limits
	now    func() time.Time
	more   []Check
}

// Option changes a Doctor.
type Option func(*Doctor)

// WithLimits judges by others than the [DefaultLimits].
func WithLimits(l Limits) Option { return func(d *Doctor) { d.limits = l } }

// WithClock takes now for this machine's clock.
func WithClock(now func() time.Time) Option { return func(d *Doctor) { d.now = now } }

// WithCheck looks at one thing more, after the rest.
func WithCheck(c Check) Option { return func(d *Doctor) { d.more = append(d.more, c) } }

// New returns a Doctor for fleet.
func New(fleet Fleet, opts ...Option) *Doctor {
	d := &Doctor{fleet: fleet, limits: DefaultLimits, now: time.Now}
	for _, opt := range opts {
		opt(d)
	}
	return d
}

// Run looks at everything, one thing after the other, and tells each finding as it
// is made. It returns an error only when ctx ended.
func (d *Doctor) Run(ctx context.Context, tell func(Finding)) error {
	server := &server{Doctor: d}
	defer server.close()
	for _, c := range append([]Check{
		{"nats.server", server.reach},
		{"nats.permissions", server.look(server.permissions)},
		{"nats.topology", server.look(server.topology)},
		{"nats.replicas", server.inside(server.replicas)},
		{"nats.durability", server.inside(server.durability)},
		{"clock", server.inside(server.clock)},
		{"queue", server.inside(server.queue)},
		{"fleet.workers", server.inside(server.workers)},
		{"fleet.bridges", server.inside(server.bridges)},
		{"storage", d.storage},
		{"ledger", server.ledger},
	}, d.more...) {
		within, cancel := context.WithTimeout(ctx, patience)
		found := c.Look(within)
		cancel()
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, f := range found {
			if f.Check == "" {
				f.Check = c.Name
			}
			tell(f)
		}
	}
	return nil
}

// Worst is the most serious status of those told.
func Worst(found []Finding) Status {
	worst := OK
	for _, f := range found {
		if f.Status == Fail || f.Status == Warn && worst == OK {
			worst = f.Status
		}
	}
	return worst
}

func ok(format string, args ...any) Finding {
	return Finding{Status: OK, Found: fmt.Sprintf(format, args...)}
}

func warn(do, format string, args ...any) Finding {
	return Finding{Status: Warn, Found: fmt.Sprintf(format, args...), Do: do}
}

func fail(do, format string, args ...any) Finding {
	return Finding{Status: Fail, Found: fmt.Sprintf(format, args...), Do: do}
}

func skip(format string, args ...any) Finding {
	return Finding{Status: Skip, Found: fmt.Sprintf(format, args...)}
}

// Failed are the findings that err makes: one for each error that it joins.
func Failed(err error) []Finding {
	if joined, is := err.(interface{ Unwrap() []error }); is {
		var all []Finding
		for _, one := range joined.Unwrap() {
			all = append(all, Failed(one)...)
		}
		return all
	}
	e := fault.Describe(err)
	f := Finding{Status: Fail, Found: e.Message, Do: e.Hint, Code: e.Code}
	if e.Field != "" {
		f.Found = e.Field + ": " + f.Found
	}
	if e.Expected != "" {
		f.Found += "; expected " + e.Expected
	}
	return []Finding{f}
}

// rounded is a duration with the digits that matter.
func rounded(d time.Duration) time.Duration {
	switch {
	case d < time.Millisecond:
		return d.Round(10 * time.Microsecond)
	case d < time.Second:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Millisecond)
}
