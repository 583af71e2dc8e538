package processor

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// outputGrace is how long the output of a dead program is read when something that
// could not be killed still holds it open.
const outputGrace = time.Second

// do runs the program to its end. An error is that it can't be started, or that it
// had to be killed, or died of a signal; nothing of it runs any more in any case.
func (v invocation) do(ctx context.Context) (ending, error) {
	// PR_SET_PDEATHSIG means the thread that forked, and the runtime ends threads.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, v.limit.time, timeoutFault(v.limit.time))
	defer cancel()

	end := ending{stdout: capture{limit: v.limit.streams}, stderr: capture{limit: v.limit.streams}}
	stdout, err := newPipe(&end.stdout)
	if err != nil {
		return end, err
	}
	defer stdout.close()
	stderr, err := newPipe(&end.stderr)
	if err != nil {
		return end, err
	}
	defer stderr.close()

	cmd := v.command(ctx)
	cmd.Stdout, cmd.Stderr = stdout.w, stderr.w
	if err := cmd.Start(); err != nil {
		if ctx.Err() != nil {
			return end, context.Cause(ctx)
		}
		return end, startFault(v.args[0], err)
	}
	preferForOOM(cmd.Process.Pid)
	var running sync.WaitGroup
	watched, unwatch := context.WithCancel(ctx)
	running.Go(func() { v.watch(watched, cmd.Process.Pid, stop) })
	running.Go(stdout.read)
	running.Go(stderr.read)

	_ = cmd.Wait() // its state says how it ended
	unwatch()
	_ = killGroup(cmd.Process.Pid) // there may be nobody left
	killStrays(v.mark)
	stdout.finish()
	stderr.finish()
	running.Wait()
	return end.with(ctx, cmd.ProcessState)
}

func (v invocation) command(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, v.path) //nolint:gosec // running it is what the engine is for
	cmd.Args, cmd.Env, cmd.Dir = v.args, v.env, v.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// At once and without asking: its scratch directory is thrown away with it.
	cmd.Cancel = func() error { return killGroup(cmd.Process.Pid) }
	return cmd
}

// with returns the ending of a process that has ended, or why it has none.
func (e ending) with(ctx context.Context, state *os.ProcessState) (ending, error) {
	status, ok := state.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		return e, fmt.Errorf("unknown ending %v", state)
	case status.Exited():
		e.code = status.ExitStatus()
		return e, nil
	case status.Signal() != syscall.SIGKILL:
		return e, signalFault(status.Signal().String(), e)
	case ctx.Err() != nil:
		return e, context.Cause(ctx)
	default:
		return e, killedFault()
	}
}

func killGroup(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) }

// pipe takes a stream of the program into a capture.
type pipe struct {
	r, w *os.File
	to   *capture
}

func newPipe(to *capture) (*pipe, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	return &pipe{r: r, w: w, to: to}, nil
}

// read ends with the last writer, or with finish's patience.
func (p *pipe) read() { _, _ = io.Copy(p.to, p.r) }

// finish gives up our own writing end, so that read can end.
func (p *pipe) finish() {
	_ = p.w.Close() // nothing was written by us
	_ = p.r.SetReadDeadline(time.Now().Add(outputGrace))
}

func (p *pipe) close() {
	_ = p.w.Close() // closed before, unless the program didn't start
	_ = p.r.Close()
}
