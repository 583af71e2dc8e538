//go:build unix

package lambdalocal

import (
	"errors"
	"os"
	"syscall"
)

// killGroup kills the group that p leads. A group that is gone is no error.
func killGroup(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGKILL) }

// freezeGroup stops the group that p leads; thawGroup lets it go on.
func freezeGroup(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGSTOP) }
func thawGroup(p *os.Process)   { syscall.Kill(-p.Pid, syscall.SIGCONT) }

// terminate asks p to end, which only one that isn't frozen can hear.
func terminate(p *os.Process) {
	thawGroup(p)
	syscall.Kill(p.Pid, syscall.SIGTERM)
}

// read takes what the process writes until nobody holds the other end.
func (o *output) read() {
	if raw, err := o.pipe.SyscallConn(); err == nil {
		raw.Read(o.readAvailable)
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
		raw.Control(func(fd uintptr) { o.readAvailable(fd) })
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
