package lambdalocal

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// environment is one execution environment: a process and its conversation over
// the Runtime API. At most one invocation owns it at a time.
type environment struct {
	id      string
	process *process
	expiry  *time.Timer // of the idle environment; guarded by the pool

	next    chan struct{}    // the runtime asked for work
	work    chan *invocation // what it gets
	results chan result      // what it answered

	mu      sync.Mutex
	current string // request that an answer may be given to
}

// What current is when it is no request.
const (
	initialising = ""
	idle         = "idle"
)

func (s *Service) newEnvironment() *environment {
	s.mu.Lock()
	s.made++
	id := strconv.Itoa(s.made)
	s.mu.Unlock()
	env := &environment{
		id:      id,
		current: initialising,
		next:    make(chan struct{}, 1),
		work:    make(chan *invocation),
		results: make(chan result, 1),
	}
	env.process = newProcess(s.cfg, s.variables(id), s.logs, func() { s.forget(env) })
	return env
}

// variables are the configured ones and Lambda's own, which win as they do there
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
func (s *Service) variables(id string) []string {
	return append(slices.Clone(s.cfg.Env),
		// Clients of the Runtime API put "http://" before this and a path after
		// it, so a path of our own in between tells environments apart.
		"AWS_LAMBDA_RUNTIME_API="+s.listener.Addr().String()+"/env/"+id,
		"AWS_LAMBDA_FUNCTION_NAME="+s.cfg.Function,
		"AWS_LAMBDA_FUNCTION_VERSION="+version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE="+strconv.Itoa(s.cfg.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/"+s.cfg.Function,
		"AWS_LAMBDA_LOG_STREAM_NAME=local/["+version+"]/"+id,
		"AWS_REGION="+region,
		"AWS_DEFAULT_REGION="+region,
		"TZ=:UTC",
		"_HANDLER=bootstrap",
	)
}

// start has the thread that owns all processes start this one.
func (s *Service) start(env *environment) error {
	req := startRequest{env: env, err: make(chan error, 1)}
	select {
	case s.starts <- req:
		return <-req.err
	case <-s.closing:
		return errStopping
	}
}

// initialise waits until the runtime asks for its first work. It returns false
// and a result when it won't.
func (e *environment) initialise(limit time.Duration) (result, bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-e.next:
		e.expect(idle)
		return result{}, true
	case failed := <-e.results: // POST init/error
		e.end()
		return failed, false
	case <-e.process.exited:
		if failed, answered := e.answered(); answered {
			return failed, false
		}
		return functionError("Runtime.ExitError", "%s", e.process.ending()), false
	case <-timer.C:
		e.end()
		return timedOut("Init", limit), false
	}
}

// run hands inv over and waits for its end, which comes by the deadline.
func (e *environment) run(inv *invocation, limit time.Duration) result {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	inv.deadline, inv.taken = time.Now().Add(limit), make(chan struct{})
	e.expect(inv.id)
	defer e.expect(idle)

	select {
	case e.work <- inv:
		<-inv.taken
	case <-e.process.exited:
		return functionError("Runtime.ExitError", "%s", e.process.ending())
	case <-deadline.C:
		e.end()
		return timedOut("Task", limit)
	}
	var res result
	select {
	case res = <-e.results:
	case <-e.next:
		return e.nextWithoutAnswer()
	case <-e.process.exited:
		if res, answered := e.answered(); answered {
			return res
		}
		return functionError("Runtime.ExitError", "%s", e.process.ending())
	case <-deadline.C:
		e.end()
		return timedOut("Task", limit)
	}
	e.settle(deadline.C)
	return res
}

// settle waits until the runtime is ready for more or has gone: an invocation
// lasts, and is billed, until then.
func (e *environment) settle(deadline <-chan time.Time) {
	select {
	case <-e.next:
	case <-e.process.exited:
	case <-deadline:
		e.end()
	}
}

// nextWithoutAnswer tells apart an answer that both channels had ready from a
// runtime that skipped it.
func (e *environment) nextWithoutAnswer() result {
	if res, answered := e.answered(); answered {
		return res
	}
	e.end()
	return functionError("Runtime.InvalidState", "the runtime asked for the next invocation before it answered")
}

func (e *environment) answered() (result, bool) {
	select {
	case res := <-e.results:
		return res, true
	default:
		return result{}, false
	}
}

// end kills the process and waits until it is gone, so that it is not reused.
func (e *environment) end() {
	e.process.kill()
	<-e.process.exited
}

// ready says that the runtime waits for work.
func (e *environment) ready() {
	select {
	case e.next <- struct{}{}:
	default: // it is known already
	}
}

// take is called when the runtime is about to get inv: what it asks for from here on, it
// asks for afterwards. One that lost its connection while it was idle has asked twice.
func (e *environment) take(inv *invocation) {
	select {
	case <-e.next:
	default:
	}
	close(inv.taken)
}

func (e *environment) expect(request string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.current = request
}

var errUnexpectedAnswer = errors.New("no answer is expected for this request")

// answer takes the one answer to request, which may be initialising.
func (e *environment) answer(request string, res result) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != request {
		return fmt.Errorf("%q: %w", request, errUnexpectedAnswer)
	}
	e.current = idle
	e.results <- res // has room: an owner takes each result before it expects another
	return nil
}
