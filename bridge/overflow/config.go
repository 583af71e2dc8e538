package overflow

import (
	"time"

	"github.com/sagefleet/sagefleet/shared/settings"
)

// Names of policies.
const (
	PolicyThreshold = "threshold"
	PolicySlack     = "slack"
	PolicySized     = "sized"
)

// Config chooses a policy and its parameters.
type Config struct {
	// Policy is threshold: offload while more than OVERFLOW_PENDING wait or the CPU is busier than
	// OVERFLOW_CPU; slack: offload what workers can't do before its deadline; or sized: the same,
	// judging the oldest by its size.
	Policy string `env:"OVERFLOW_POLICY" envDefault:"threshold"`
	// Pending is how many executions may wait before more are forwarded.
	Pending int `env:"OVERFLOW_PENDING" envDefault:"3"`
	// CPU is how busy, in percent, the cores of the bridge's host may be before anything that
	// waits is forwarded; 0 turns that rule off.
	CPU float64 `env:"OVERFLOW_CPU" envDefault:"80"`
	// Deadline is how long after its acceptance an execution should have ended, for slack and sized.
	Deadline time.Duration `env:"OVERFLOW_DEADLINE"`
	// Fill is how much of what workers can do before the deadline slack and sized let wait, 0 to
	// 1; 0 is 0.8 for slack and 0.9 for sized. The rest is for executions that take longer than the average.
	Fill float64 `env:"OVERFLOW_FILL"`
	// Margin is how long before the last moment slack and sized forward what still waits.
	Margin time.Duration `env:"OVERFLOW_MARGIN" envDefault:"500ms"`

	Local LocalOnly
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case c.Policy != PolicyThreshold && c.Policy != PolicySlack && c.Policy != PolicySized:
		return settings.Invalid("OVERFLOW_POLICY", c.Policy, "threshold, slack or sized")
	case c.Pending < 0:
		return settings.Invalid("OVERFLOW_PENDING", c.Pending, "0 or more")
	case !(c.CPU >= 0 && c.CPU <= 100):
		return settings.Invalid("OVERFLOW_CPU", c.CPU, "0 to 100 percent")
	case c.Deadline < 0:
		return settings.Invalid("OVERFLOW_DEADLINE", c.Deadline, "0 or more")
	case c.Policy != PolicyThreshold && c.Deadline == 0:
		return settings.Invalid("OVERFLOW_DEADLINE", c.Deadline, "a time from acceptance to end, such as 30s: "+c.Policy+" needs one")
	case !(c.Fill >= 0 && c.Fill <= 1):
		return settings.Invalid("OVERFLOW_FILL", c.Fill, "0 to 1")
	case c.Margin < 0:
		return settings.Invalid("OVERFLOW_MARGIN", c.Margin, "0 or more")
	}
	return c.Local.Validate()
}
