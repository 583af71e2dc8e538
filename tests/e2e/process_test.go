package e2e

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
)

// process is a running binary of the fleet. It does not outlive its test.
type process struct {
	name   string
	cmd    *exec.Cmd
	output *output
	ended  chan struct{} // closed when cmd.ProcessState says how
}

// start starts a binary with nothing of this process's environment but what
// vars says.
func start(t testing.TB, name string, vars map[string]string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(filepath.Join(binaries, name), args...), output: &output{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.Env = []string{} // nil would inherit
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		p.cmd.Env = append(p.cmd.Env, key+"="+vars[key])
	}
	isolate(p.cmd)
	if err := onStarter(p.cmd.Start); err != nil {
		t.Fatalf("start %s: %v", name, err)
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
			t.Logf("%s wrote:\n%s", p, p.output.tail(16<<10))
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

func (p *process) String() string { return fmt.Sprintf("%s[%d]", p.name, p.cmd.Process.Pid) }

// host is how the process calls itself in records, events and outcomes.
func (p *process) host() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s-%d", host, p.cmd.Process.Pid)
}

// signal sends sig and returns when.
func (p *process) signal(t testing.TB, sig os.Signal) time.Time {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal %s: %v", p, err)
	}
	return time.Now()
}

// stop asks the process to end and waits until it has.
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	p.exit(t, 10*time.Second)
}

// exit waits for the end of the process and returns its exit code: -1 when a
// signal ended it.
func (p *process) exit(t testing.TB, within time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		t.Fatalf("%s still runs after %v", p, within)
	}
	return p.cmd.ProcessState.ExitCode()
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// line is one line of a process's log.
type line struct {
	Level   string  `json:"level"`
	Message string  `json:"message"`
	Error   string  `json:"error"`
	RetryIn float64 `json:"retry_in"` // ms
}

// logged returns the lines with the given message that were written so far.
func (p *process) logged(message string) []line {
	var lines []line
	for text := range strings.Lines(p.output.tail(1 << 20)) {
		var l line
		if json.Unmarshal([]byte(text), &l) == nil && l.Message == message {
			lines = append(lines, l)
		}
	}
	return lines
}

// output keeps what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// tail returns the last n bytes, or all when there are fewer.
func (o *output) tail(n int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.buf.Bytes()
	return string(all[max(0, len(all)-n):])
}

// until polls until done, and reports whether that came in time.
func until(within time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(within); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// eventually is until for what the test can't go on without.
func eventually(t testing.TB, within time.Duration, what string, done func() bool) {
	t.Helper()
	if !until(within, done) {
		t.Fatalf("waited %v in vain: %s", within, what)
	}
}
