package process

import (
	"os/exec"
	"syscall"
)

// isolate makes cmd die with us, however we die, and keeps the terminal's signals
// from it.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
