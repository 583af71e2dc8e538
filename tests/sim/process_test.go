package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errCrashed is what every operation of a dead process returns. Nobody sees it:
// the process only winds down, and nothing it does reaches a server.
var errCrashed = errors.New("this process is dead")

// process is one start of one program. When it crashes, its goroutines go on
// until they notice, but no operation of theirs has an effect any more.
type process struct {
	w    *world
	name string
	ctx  context.Context //nolint:containedctx // it is the process's life
	kill context.CancelFunc
	died chan struct{}

	mu     sync.Mutex
	dead   bool
	asleep time.Time // stands still until then
}

func (w *world) start(name string) *process {
	ctx, kill := context.WithCancel(context.Background())
	return &process{w: w, name: name, ctx: ctx, kill: kill, died: make(chan struct{})}
}

// supervise runs a program, and again after each crash, until the world closes. It
// returns a function that asks the program to end, once.
func (w *world) supervise(name string, run func(*process)) {
	w.running.Go(func() {
		for n := 1; ; n++ {
			p := w.start(fmt.Sprintf("%s.%d", name, n))
			time.Sleep(between(w.plan.number("start", p.name), 10*time.Microsecond, 2*time.Second))
			w.mu.Lock()
			closing := w.closing
			if !closing {
				w.ledger.alive[p] = true
			}
			w.mu.Unlock()
			if closing {
				return
			}
			ended := make(chan struct{})
			w.running.Go(func() {
				defer close(ended)
				run(p)
			})
			select {
			case <-ended:
			case <-p.died:
			}
			w.mu.Lock()
			delete(w.ledger.alive, p)
			w.mu.Unlock()
			time.Sleep(between(w.plan.number("restart", p.name), 10*time.Millisecond, 3*time.Second))
		}
	})
}

// crash ends the process as SIGKILL does.
func (p *process) crash(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return
	}
	p.dead = true
	p.w.mu.Lock()
	p.w.seen["crash"]++
	p.w.note(p.name, "crash", why, "")
	p.w.mu.Unlock()
	close(p.died)
	p.kill()
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// pause lets the process stand still for d: whatever it asks for, or is told,
// waits until it wakes.
func (p *process) pause(d time.Duration, why string) {
	p.w.mu.Lock()
	p.w.seen["pause"]++
	p.w.note(p.name, "pause", why, d.String())
	p.w.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.asleep) {
		p.asleep = until
	}
}

// awake waits while the process stands still. offset keeps what wakes at once apart.
func (p *process) awake(offset time.Duration) error {
	for {
		p.mu.Lock()
		dead, left := p.dead, time.Until(p.asleep)
		p.mu.Unlock()
		if dead {
			return errCrashed
		}
		if left <= 0 {
			return nil
		}
		select {
		case <-time.After(left + offset%time.Millisecond):
		case <-p.died:
		}
	}
}

// sleep is work: it takes d unless ctx ends.
func (p *process) sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	case <-p.died:
	}
	if err := p.awake(d); err != nil {
		return err
	}
	return ctx.Err()
}

// fate decides what the next operation of its name meets.
func (p *process) fate(op, key string) fate {
	n := p.w.count(p.name, op, key)
	f := p.w.plan.fate(p.w.quiet(), p.name, op, key, n)
	p.lasts(f.pause + f.request + f.answer)
	return f
}

// lasts notes that what the process begins now, or when it wakes, takes d.
func (p *process) lasts(d time.Duration) {
	if p.w.quiet() {
		return
	}
	p.mu.Lock()
	d += max(time.Until(p.asleep), 0)
	p.mu.Unlock()
	p.w.lasts(d)
}

type answer[T any] struct {
	value T
	err   error
}

// call has the server carry out apply, unless the request gets lost, and waits for
// the answer. Once sent, a request is carried out whether or not anybody still
// waits. refusal is what the server says when it refuses.
func call[T any](ctx context.Context, p *process, server, op, key string, refusal error, apply func() (T, error)) (T, error) {
	var zero T
	f := p.fate(op, key)
	if err := p.awake(f.request); err != nil {
		return zero, err
	}
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	// What befalls the process does so a little later, at a moment of its own:
	// whether a neighbour's request got out is then no matter of scheduling.
	switch {
	case f.crash == crashBefore:
		time.AfterFunc(f.request/2, func() { p.crash("before " + op + " " + key) })
		<-p.died
		return zero, errCrashed
	case f.crash == crashDuring:
		time.AfterFunc(f.request/2, func() { p.crash("during " + op + " " + key) })
	case f.pause > 0:
		time.AfterFunc(f.request/2, func() { p.pause(f.pause, op+" "+key) })
		if err := p.sleep(context.WithoutCancel(ctx), f.request/2+time.Nanosecond); err != nil {
			return zero, err
		}
	}
	came := make(chan answer[T], 1)
	time.AfterFunc(f.request, func() {
		if a, ok := arrive(p, f, server, op, key, refusal, apply); ok {
			time.AfterFunc(f.answer, func() { came <- a })
		}
	})
	patience := 5 * time.Second // what the fleet configures for JetStream
	if server == "store" {
		patience = f.timeout + f.request
	}
	var result answer[T]
	select {
	case result = <-came:
	case <-ctx.Done():
		result.err = ctx.Err()
	case <-time.After(patience):
		result.err = context.DeadlineExceeded
		if server == "store" {
			result.err = refusal
		}
	case <-p.died:
		return zero, errCrashed
	}
	if f.crash == crashAfter {
		time.AfterFunc(f.answer/2, func() { p.crash("after " + op + " " + key) })
		<-p.died
		return zero, errCrashed
	}
	if err := p.awake(f.answer); err != nil {
		return zero, err
	}
	return result.value, result.err
}

// arrive is a request at its server. It returns no answer when there is none, or
// none that gets back.
func arrive[T any](p *process, f fate, server, op, key string, refusal error, apply func() (T, error)) (a answer[T], answers bool) {
	w := p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case f.lost || w.down(server):
		w.seen["request lost"]++
		w.note(p.name, op, key, "lost")
		return a, false
	case f.refused:
		w.seen["refused"]++
		w.note(p.name, op, key, "refused")
		a.err = refusal
		return a, true
	}
	a.value, a.err = apply()
	how := "ok"
	if a.err != nil {
		how = a.err.Error()
	}
	if f.mute {
		w.seen["answer lost"]++
		how += ", answer lost"
	}
	w.note(p.name, op, key, how)
	return a, !f.mute
}

// send has the server carry out apply, and waits for nothing.
func (p *process) send(server, op, key string, apply func()) error {
	f := p.fate(op, key)
	if p.isDead() {
		return errCrashed
	}
	p.mu.Lock()
	wait := max(time.Until(p.asleep), 0) + f.request
	p.mu.Unlock()
	time.AfterFunc(wait, func() {
		if p.isDead() {
			return // a process that died asleep has sent nothing
		}
		arrive(p, f, server, op, key, nil, func() (struct{}, error) {
			apply()
			return struct{}{}, nil
		})
	})
	return nil
}
