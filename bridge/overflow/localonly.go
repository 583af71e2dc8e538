package overflow

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// LocalOnly says which executions are no Lambda's: workers have them, however long
// they wait.
type LocalOnly struct {
	// Bytes is how many bytes of files a Lambda is given at most; 0 is as many as it can have
	// room for. What is known to be larger is left to workers.
	Bytes int64 `env:"OVERFLOW_MAX_BYTES" envDefault:"10000000000"`
	// Run is how long a run may take, by its size and 95 % of the runs before, to be given to a
	// Lambda; 0 is four fifths of LAMBDA_TIMEOUT.
	Run time.Duration `env:"OVERFLOW_MAX_RUN"`
	// Classes are the classes of requests, with commas, that never leave the workers.
	Classes []string `env:"OVERFLOW_LOCAL_CLASSES"`
}

// Validate refuses values that can't work, by variable.
func (l LocalOnly) Validate() error {
	switch {
	case l.Bytes < 0 || l.Bytes > execution.LambdaBytes:
		return settings.Invalid("OVERFLOW_MAX_BYTES", l.Bytes, fmt.Sprintf("0 to %d, what a Lambda has room for", execution.LambdaBytes))
	case l.Run < 0:
		return settings.Invalid("OVERFLOW_MAX_RUN", l.Run, "0 or more")
	}
	return nil
}

// Keeps returns why workers keep an execution of so many bytes (0 is unknown) and such a
// class, whose run on a Lambda stays within run (0 is unknown), or "".
func (l LocalOnly) Keeps(bytes int64, class string, run time.Duration) string {
	limit := cmp.Or(l.Bytes, execution.LambdaBytes)
	switch {
	case class != "" && slices.Contains(l.Classes, class):
		return fmt.Sprintf("class %s stays with the workers", class)
	case bytes > limit:
		return fmt.Sprintf("its files have %d bytes, more than the %d a Lambda is given", bytes, limit)
	case l.Run > 0 && run > l.Run:
		return fmt.Sprintf("a Lambda would take up to %v for %d bytes, longer than the %v it is given", run.Round(time.Second), bytes, l.Run)
	}
	return ""
}
