//go:build unix

package turn

import (
	"os"
	"syscall"
)

// try takes the lock if it is free. The system gives it back when the process
// ends, however that is.
func try(name string, m mode) (release func(), ok bool) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return func() {}, true // no folder for temporary files: then nobody waits
	}
	how := syscall.LOCK_SH
	if m == exclusive {
		how = syscall.LOCK_EX
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, false
	}
	return func() { _ = f.Close() }, true
}
