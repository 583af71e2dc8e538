//go:build unix

package process

import (
	"os"
	"runtime"
	"syscall"
)

// PeakOf is the largest resident size of an ended process, in bytes. Linux counts
// what the parent had when it started the child, so whoever measures has to stay
// small.
func PeakOf(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	switch {
	case !ok:
		return 0
	case runtime.GOOS == "darwin": // in bytes there
		return usage.Maxrss
	default:
		return usage.Maxrss << 10
	}
}
