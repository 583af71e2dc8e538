//go:build failpoints && unix

package failpoint

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// action is what a process does at a point.
type action struct {
	name string
	wait time.Duration // of a delay
}

// parseAction reads kill (also when nothing is said), stop, error or delay:DURATION.
func parseAction(text string) (action, error) {
	name, wait, _ := strings.Cut(text, ":")
	switch name {
	case "":
		return action{name: "kill"}, nil
	case "kill", "stop", "error":
		return action{name: name}, nil
	case "delay":
		d, err := time.ParseDuration(wait)
		return action{name, d}, err
	}
	return action{}, fmt.Errorf("action %q: want kill, stop, error or delay:DURATION", text)
}

// do tells what it does first: who is killed can't say so later.
func (a action) do(p Point) error {
	fmt.Fprintf(os.Stderr, `{"level":"warn","message":"failpoint","point":%q,"action":%q}`+"\n", p, a.name)
	switch a.name {
	case "kill":
		return a.signal(syscall.SIGKILL)
	case "stop":
		return a.signal(syscall.SIGSTOP)
	case "delay":
		time.Sleep(a.wait)
	case "error":
		return fmt.Errorf("%w %s", ErrHit, p)
	}
	return nil
}

// signal doesn't return before the signal is there: delivery to a whole process
// takes a moment, in which the step after the point would be done.
func (a action) signal(sig syscall.Signal) error {
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		return err
	}
	time.Sleep(20 * time.Millisecond)
	return nil
}
