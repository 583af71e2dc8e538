//go:build unix && !linux

package lambdalocal

import (
	"os"
	"os/exec"
	"syscall"
)

// isolate makes cmd lead a group that can be killed as one.
func isolate(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// peakMemory is 0, which is unknown, where no file tells it.
func peakMemory(int) int64 { return 0 }

func peakMemoryOf(*os.ProcessState) int64 { return 0 }
