package budget

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/shared/settings"
)

// Config is what the cloud may cost. 0 is no limit.
//
// A limit holds for every span of its length, wherever it begins: half of it can
// be spent at once, and the other half comes back over the span.
type Config struct {
	// Hour is how many USD the Lambda may cost in any hour; half of it at once.
	Hour float64 `env:"BUDGET_HOUR_USD"`
	// Day is how many USD it may cost in any 24 hours; half of it at once.
	Day float64 `env:"BUDGET_DAY_USD"`
	// Mailboxes bounds single mailboxes in any hour, such as ventas:0.5,archivo:0.1.
	Mailboxes map[string]float64 `env:"BUDGET_MAILBOX_USD"`
}

// Limited says whether there is any limit.
func (c Config) Limited() bool { return c.Hour > 0 || c.Day > 0 || len(c.Mailboxes) > 0 }

// Validate refuses values that can't work, by variable. worst is what one
// invocation can cost: a limit with less room than that would allow none, ever.
func (c Config) Validate(worst float64) error {
	works := func(limit float64) bool { return limit > 0 && limit >= 2*worst && limit < math.Inf(1) }
	expected := fmt.Sprintf("USD, at least twice what one invocation can cost (memory × timeout): %.3g", 2*worst)
	if c.Hour != 0 && !works(c.Hour) {
		return settings.Invalid("BUDGET_HOUR_USD", c.Hour, expected)
	}
	if c.Day != 0 && !works(c.Day) {
		return settings.Invalid("BUDGET_DAY_USD", c.Day, expected)
	}
	for _, mailbox := range slices.Sorted(maps.Keys(c.Mailboxes)) {
		if limit := c.Mailboxes[mailbox]; !works(limit) {
			return settings.Invalid("BUDGET_MAILBOX_USD", fmt.Sprintf("%s:%g", mailbox, limit), expected)
		}
	}
	return nil
}

// window is one limit.
type window struct {
	key     string // in State
	name    string
	mailbox string // "" is the whole fleet
	length  time.Duration
	limit   float64
}

// capacity is what can be spent at once, in billionths of a USD. As much again is
// paid off over the window's length.
func (w window) capacity() int64 { return int64(w.limit / 2 * billion) }

func (w window) words() string {
	switch {
	case w.mailbox != "":
		return "an hour of mailbox " + w.mailbox
	case w.name == "day":
		return "a day"
	}
	return "an hour"
}

// windows are all limits: the fleet's, then the mailboxes' by name.
func (c Config) windows() []window {
	all := c.fleet()
	for _, mailbox := range slices.Sorted(maps.Keys(c.Mailboxes)) {
		all = append(all, c.mailbox(mailbox))
	}
	return all
}

// of are the limits that count for a mailbox's work.
func (c Config) of(mailbox string) []window {
	limits := c.fleet()
	if _, ok := c.Mailboxes[mailbox]; ok {
		limits = append(limits, c.mailbox(mailbox))
	}
	return limits
}

func (c Config) fleet() []window {
	var limits []window
	if c.Hour > 0 {
		limits = append(limits, window{key: "hour", name: "hour", length: time.Hour, limit: c.Hour})
	}
	if c.Day > 0 {
		limits = append(limits, window{key: "day", name: "day", length: 24 * time.Hour, limit: c.Day})
	}
	return limits
}

func (c Config) mailbox(name string) window {
	return window{key: "hour/" + name, name: "hour", mailbox: name, length: time.Hour, limit: c.Mailboxes[name]}
}
