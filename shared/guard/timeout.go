package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/lock"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// CodeTimeout is the cause of the context of work that took too long.
const CodeTimeout fault.Code = "EXECUTION_TIMEOUT"

func (c Config) validateTimeouts() error {
	const expected = "a positive duration, or 0 for no limit"
	if c.Timeout < 0 {
		return settings.Invalid("EXECUTION_TIMEOUT", c.Timeout, expected)
	}
	for _, class := range slices.Sorted(maps.Keys(c.ClassTimeouts)) {
		d := c.ClassTimeouts[class]
		if d < 0 || execution.ValidateClass(class) != nil {
			return settings.Invalid("CLASS_TIMEOUTS", fmt.Sprintf("%s:%v", class, d), "names of classes and times such as bulk:2h,urgent:1m, where 0 is no limit")
		}
	}
	return nil
}

// limit returns a context for the work on r. When its class's time is over, the
// cause is a fault.
func (c Config) limit(ctx context.Context, r execution.Request) (context.Context, context.CancelFunc) {
	d, named := c.ClassTimeouts[r.Class]
	variable := "CLASS_TIMEOUTS"
	if !named {
		d, variable = c.Timeout, "EXECUTION_TIMEOUT"
	}
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, fault.New(CodeTimeout, "the attempt was not done after %v", d).
		Advise("submit it in smaller parts or in another class, or raise %s", variable))
}

// blame returns what to make of the error of work that was ended for cause, if it
// was.
func blame(err, cause error) error {
	switch {
	case errors.Is(cause, lock.ErrLost):
		return execution.Bill(busy(cause), execution.Billed(err)) // another holder is at it, or a canceller was
	case fault.CodeOf(cause) != CodeTimeout || fault.IsPermanent(err):
		return err
	}
	return execution.Bill(cause, execution.Billed(err))
}
