//go:build unix

package lambdalocal

import (
	"errors"
	"os"
	"syscall"
)

// signalGroup signals the group that p leads. A group that is gone is no error.
func signalGroup(p *os.Process, sig syscall.Signal) { _ = syscall.Kill(-p.Pid, sig) }

func killGroup(p *os.Process) { signalGroup(p, syscall.SIGKILL) }

// freezeGroup stops the group that p leads; thawGroup lets it go on.
func freezeGroup(p *os.Process) { signalGroup(p, syscall.SIGSTOP) }
func thawGroup(p *os.Process)   { signalGroup(p, syscall.SIGCONT) }

// terminate asks p to end, which only one that isn't frozen can hear.
func terminate(p *os.Process) {
	thawGroup(p)
	_ = p.Signal(syscall.SIGTERM) // one that is gone is no error either
}

// read takes what the process writes until nobody holds the other end.
func (o *output) read() {
	if raw, err := o.pipe.SyscallConn(); err == nil {
		_ = raw.Read(o.readAvailable) // ends with the pipe
	}
}

// drain takes what has been written so far. A log line that was written before
// an answer is in the pipe when the answer arrives, but the reader may not have
// run yet.
func (o *output) drain() {
	if o.pipe == nil {
		return
	}
	if raw, err := o.pipe.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { o.readAvailable(fd) }) // nothing is left in a closed pipe
	}
}

// readAvailable reads until the pipe is empty; it reports whether the pipe has
// ended. The lock makes a read and what it adds to the tail one step.
func (o *output) readAvailable(fd uintptr) (ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		n, err := syscall.Read(int(fd), o.buf)
		switch {
		case n > 0:
			o.append(o.buf[:n])
		case errors.Is(err, syscall.EINTR):
		default:
			return !errors.Is(err, syscall.EAGAIN)
		}
	}
}
