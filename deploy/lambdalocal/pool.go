package lambdalocal

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pool says which environment runs an invocation, and whether one may.
type pool struct {
	limit     int
	keepAlive time.Duration
	freezes   bool
	scale     *rate.Limiter

	mu      sync.Mutex
	running int
	most    int
	idle    []*environment // the one used last is last
	closed  bool
}

func newPool(cfg Config) *pool {
	return &pool{
		limit:     cfg.Concurrency,
		keepAlive: cfg.KeepAlive,
		freezes:   !cfg.NeverFreeze,
		scale:     rate.NewLimiter(rate.Limit(float64(cfg.ScaleRate)/scaleWindow.Seconds()), cfg.ScaleRate),
	}
}

// take claims a warm environment, or the right to start one: then it is nil. The
// caller gives back either with put.
func (p *pool) take() (*environment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, errStopping
	case p.running >= p.limit:
		return nil, errReservedConcurrency
	}
	env := p.popIdle()
	if env == nil && !p.scale.Allow() {
		return nil, errScaleRate
	}
	p.running++
	p.most = max(p.most, p.running)
	return env, nil
}

// popIdle prefers the environment used last, so that the others may expire.
func (p *pool) popIdle() *environment {
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		env := p.idle[last]
		p.idle = p.idle[:last]
		env.expiry.Stop()
		if !env.process.hasExited() {
			env.process.thaw()
			return env
		}
	}
	return nil
}

// put ends a claim. The environment, if there is one that lives, waits for the
// next invocation until it expires.
func (p *pool) put(env *environment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	if env == nil || p.closed || env.process.hasExited() {
		return
	}
	if p.freezes {
		env.process.freeze()
	}
	p.idle = append(p.idle, env)
	env.expiry = time.AfterFunc(p.keepAlive, func() { p.expire(env) })
}

// expire ends env unless an invocation has claimed it meanwhile.
func (p *pool) expire(env *environment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, candidate := range p.idle {
		if candidate == env {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			env.process.shutDown()
			return
		}
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, env := range p.idle {
		env.expiry.Stop()
	}
	p.idle = nil
}

func (p *pool) busy() (now, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running, p.most
}
