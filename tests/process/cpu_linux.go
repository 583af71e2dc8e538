package process

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is how much of the cores' time the process has had, in nanoseconds' steps: it is the
// clock that clock_getcpuclockid(3) names.
func (p *Process) CPU(t testing.TB) time.Duration {
	t.Helper()
	const schedulers = 2 // clock of them, in the id's last three bits
	var had unix.Timespec
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|schedulers), &had); err != nil { //nolint:gosec // as the kernel has it
		t.Fatal(err)
	}
	return time.Duration(had.Nano())
}
