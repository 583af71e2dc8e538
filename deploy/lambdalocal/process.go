package lambdalocal

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// outputGrace is how long a dead process's output is read when a descendant
// that left the process group still holds it open.
const outputGrace = 100 * time.Millisecond

// shutdownGrace is how long a process with an internal extension has to end, as
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html says.
const shutdownGrace = 500 * time.Millisecond

// process is one bootstrap and everything it starts.
type process struct {
	cmd    *exec.Cmd
	output *output
	exited chan struct{} // closed after the process ended and its output was read
	onExit func()        // called just before

	ownTemp bool   // it gets a folder for temporary files
	temp    string // that folder

	wantsGrace atomic.Bool // SIGTERM before SIGKILL

	mu     sync.Mutex
	reaped bool
}

func newProcess(cfg Config, variables []string, logs io.Writer, onExit func()) *process {
	cmd := exec.Command(cfg.Command[0], cfg.Command[1:]...) //nolint:gosec // running it is what the service is for
	cmd.Dir = cfg.Dir
	cmd.Env = variables
	isolate(cmd)
	return &process{
		cmd: cmd, output: &output{forward: logs, buf: make([]byte, maxTail)},
		exited: make(chan struct{}), onExit: onExit,
		ownTemp: !slices.ContainsFunc(cfg.Env, func(v string) bool { return strings.HasPrefix(v, "TMPDIR=") }),
	}
}

// start starts the process. Its end is awaited in the background.
func (p *process) start() error {
	if p.ownTemp {
		var err error
		if p.temp, err = os.MkdirTemp("", "lambda-"); err != nil {
			return err
		}
		p.cmd.Env = append(p.cmd.Env, "TMPDIR="+p.temp)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	err = p.cmd.Start()
	_ = w.Close() // the child has its own
	if err != nil {
		_ = r.Close()
		return err
	}
	p.output.pipe = r
	go p.wait()
	return nil
}

func (p *process) wait() {
	var reading sync.WaitGroup
	reading.Go(p.output.read)
	_ = p.cmd.Wait() // the state says how it ended
	p.kill()         // what it leaves behind
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
	_ = p.output.pipe.SetReadDeadline(time.Now().Add(outputGrace))
	reading.Wait()
	_ = p.output.pipe.Close()
	p.removeTemp()
	p.onExit()
	close(p.exited)
}

// kill ends the process and its group. It does not wait.
func (p *process) kill() { p.signal(killGroup) }

// freeze stops the process and its group until thaw.
func (p *process) freeze() { p.signal(freezeGroup) }
func (p *process) thaw()   { p.signal(thawGroup) }

// shutDown kills the process, after a grace in which it may end by itself when
// it has asked for one. It does not wait.
func (p *process) shutDown() {
	if !p.wantsGrace.Load() {
		p.kill()
		return
	}
	p.signal(terminate)
	time.AfterFunc(shutdownGrace, p.kill)
}

// signal does nothing to a process that has ended: its pid may be another's.
func (p *process) signal(send func(*os.Process)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		send(p.cmd.Process)
	}
}

func (p *process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// abandon says that the process could not be started.
func (p *process) abandon() {
	p.removeTemp()
	close(p.exited)
}

func (p *process) removeTemp() {
	if p.temp != "" {
		_ = os.RemoveAll(p.temp) // what can't be removed is the system's to clean
	}
}

// peakMemory is the most memory the process used, in bytes, or 0 when that is
// not known.
func (p *process) peakMemory() int64 {
	if p.cmd.Process == nil {
		return 0
	}
	if p.hasExited() {
		return peakMemoryOf(p.cmd.ProcessState)
	}
	return peakMemory(p.cmd.Process.Pid)
}

// ending says how the process ended, as Lambda words it.
func (p *process) ending() string {
	<-p.exited
	if state := p.cmd.ProcessState; !state.Success() {
		return fmt.Sprintf("Runtime exited with error: %v", state)
	}
	return "Runtime exited without providing a reason"
}

// output keeps the end of what a process writes, and passes all of it on.
type output struct {
	pipe    *os.File
	forward io.Writer

	mu   sync.Mutex
	buf  []byte
	tail []byte
}

const maxTail = 4 << 10 // bytes that LogType=Tail returns

// append adds what the process, or the platform, has written.
func (o *output) append(p []byte) {
	_, _ = o.forward.Write(p) // a log that can't be written stops nothing
	o.tail = append(o.tail, p...)
	if extra := len(o.tail) - maxTail; extra > 0 {
		o.tail = append(o.tail[:0], o.tail[extra:]...)
	}
}

// printf adds a line of the platform's own, after all that the process wrote.
func (o *output) printf(format string, args ...any) {
	o.drain()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.append(fmt.Appendf(nil, format, args...))
}

// reset forgets the tail: another invocation begins.
func (o *output) reset() {
	o.drain()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = o.tail[:0]
}

func (o *output) last() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]byte(nil), o.tail...)
}
