//go:build unix

package speed

import (
	"os"
	"runtime"
	"syscall"
)

// peak returns the largest resident size of an ended process, in bytes. Linux
// counts what the parent had when it started the child, so this process has to
// stay small: it streams what it generates.
func peak(state *os.ProcessState) int64 {
	resources, ok := state.SysUsage().(*syscall.Rusage)
	switch {
	case !ok:
		return 0
	case runtime.GOOS == "darwin": // in bytes there
		return resources.Maxrss
	default:
		return resources.Maxrss << 10
	}
}
