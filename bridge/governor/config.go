package governor

import (
	"time"

	"github.com/sagefleet/sagefleet/shared/settings"
)

// Config says how carefully Lambda is asked.
type Config struct {
	// Rate is how many invocations may begin in a second; 0 is no limit.
	Rate float64 `env:"GOVERNOR_RATE" envDefault:"1000"`
	// Start is how many invocations may be under way at first. While Lambda takes them
	// all that doubles several times a second, up to LAMBDA_CONCURRENCY; 0 starts there.
	Start int `env:"GOVERNOR_START" envDefault:"10"`
	// Failures is how many invocations in a row must fail before none is begun any
	// more; 0 is no such limit. A throttle is no failure, and neither is a file's own.
	Failures int `env:"GOVERNOR_FAILURES" envDefault:"5"`
	// Probe is how often a Lambda that failed so is tried again.
	Probe time.Duration `env:"GOVERNOR_PROBE" envDefault:"2s"`
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case !(c.Rate >= 0): // NaN is not
		return settings.Invalid("GOVERNOR_RATE", c.Rate, "invocations per second, or 0 for no limit")
	case c.Start < 0:
		return settings.Invalid("GOVERNOR_START", c.Start, "1 or more, or 0 for LAMBDA_CONCURRENCY")
	case c.Failures < 0:
		return settings.Invalid("GOVERNOR_FAILURES", c.Failures, "1 or more, or 0 for no limit")
	case c.Failures > 0 && c.Probe <= 0:
		return settings.Invalid("GOVERNOR_PROBE", c.Probe, "a positive duration")
	}
	return nil
}
