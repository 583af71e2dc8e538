// Package process runs the programs of the fleet as operating-system processes
// that share nothing but a NATS server and a store, and that can be killed.
package process

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"
)

// Process is a running binary of the fleet. It does not outlive its test.
type Process struct {
	name   string
	cmd    *exec.Cmd
	output *Output
	ended  chan struct{} // closed when cmd.ProcessState says how
}

// Start starts the program at path with nothing of this process's environment but what
// vars says.
func Start(t testing.TB, path string, vars map[string]string, args ...string) *Process {
	t.Helper()
	p := &Process{name: filepath.Base(path), cmd: exec.Command(path, args...), output: &Output{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.Env = []string{} // nil would inherit
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		p.cmd.Env = append(p.cmd.Env, key+"="+vars[key])
	}
	isolate(p.cmd)
	if err := onStarter(p.cmd.Start); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	go func() {
		_ = p.cmd.Wait() // the state says how it ended
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		select {
		case <-p.ended:
		case <-time.After(10 * time.Second):
			t.Errorf("%s did not end when it was killed", p)
		}
		if t.Failed() {
			t.Logf("%s wrote:\n%s", p, p.Tail(16<<10))
		}
	})
	return p
}

// onStarter runs f on the one thread that starts processes: Linux ends a child,
// because it was told to, when the thread that started it ends.
func onStarter(f func() error) error {
	starter()
	done := make(chan error)
	starts <- func() { done <- f() }
	return <-done
}

var (
	starts  = make(chan func())
	starter = sync.OnceFunc(func() {
		go func() {
			runtime.LockOSThread() // for as long as this process lives
			for f := range starts {
				f()
			}
		}()
	})
)

func (p *Process) String() string { return fmt.Sprintf("%s[%d]", p.name, p.cmd.Process.Pid) }

// Pid is the process's id.
func (p *Process) Pid() int32 { return int32(p.cmd.Process.Pid) }

// Host is how the process calls itself in records, events and outcomes, as far as
// [HostOf] says it.
func (p *Process) Host() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s-%d", host, p.cmd.Process.Pid)
}

// HostOf is the name of a host without the part that tells its starts apart.
func HostOf(name string) string { return name[:max(strings.LastIndexByte(name, '-'), 0)] }

// Resident is how many bytes of memory the process has now.
func (p *Process) Resident(t testing.TB) uint64 {
	t.Helper()
	it, err := gopsutil.NewProcess(int32(p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	memory, err := it.MemoryInfo()
	if err != nil {
		t.Fatal(err)
	}
	return memory.RSS
}

// Signal sends sig and returns when.
func (p *Process) Signal(t testing.TB, sig os.Signal) time.Time {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal %s: %v", p, err)
	}
	return time.Now()
}

// Send sends sig to a process that may have ended.
func (p *Process) Send(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

// Stop asks the process to end and waits until it has.
func (p *Process) Stop(t testing.TB) {
	t.Helper()
	p.Signal(t, syscall.SIGTERM)
	p.Exit(t, 10*time.Second)
}

// Exit waits for the end of the process and returns its exit code: -1 when a
// Signal ended it.
func (p *Process) Exit(t testing.TB, within time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		t.Fatalf("%s still runs after %v", p, within)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Tail returns the last n bytes of what the process wrote.
func (p *Process) Tail(n int) string { return p.output.Tail(n) }

// Line is one line of a process's log.
type Line struct {
	Level   string  `json:"level"`
	Message string  `json:"message"`
	Error   string  `json:"error"`
	Address string  `json:"address"`  // that is listened on
	RetryIn float64 `json:"retry_in"` // ms
}

// Logged returns the lines with the given message that were written so far.
func (p *Process) Logged(message string) []Line {
	var lines []Line
	for text := range strings.Lines(p.Tail(1 << 20)) {
		var l Line
		if json.Unmarshal([]byte(text), &l) == nil && l.Message == message {
			lines = append(lines, l)
		}
	}
	return lines
}

// Output keeps what a process writes.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// Tail returns the last n bytes, or all when there are fewer.
func (o *Output) Tail(n int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.buf.Bytes()
	return string(all[max(0, len(all)-n):])
}

// Until polls until done, and reports whether that came in time.
func Until(within time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(within); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// Eventually is Until for what the test can't go on without.
func Eventually(t testing.TB, within time.Duration, what string, done func() bool) {
	t.Helper()
	if !Until(within, done) {
		t.Fatalf("waited %v in vain: %s", within, what)
	}
}

// Peak is the largest resident size of an ended process, in bytes; see PeakOf.
func (p *Process) Peak() int64 { return PeakOf(p.cmd.ProcessState) }

// PeakSoFar is the largest resident size of a running process, in bytes. What this
// process holds isn't in it; 0 where the system doesn't tell.
func (p *Process) PeakSoFar() int64 { return peakOf(p.cmd.Process.Pid) }
