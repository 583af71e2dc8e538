//go:build !linux

package process

import (
	"testing"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"
)

// CPU is how much time the process has had of the cores so far.
func (p *Process) CPU(t testing.TB) time.Duration {
	t.Helper()
	it, err := gopsutil.NewProcess(int32(p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	times, err := it.Times()
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration((times.User + times.System) * float64(time.Second))
}
