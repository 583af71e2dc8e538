package governor

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Permit is the right to one invocation. Sent says that it is made, and Succeeded, Throttled
// or Failed what was answered; Done gives the right back when the work can't be going on any
// more.
type Permit struct {
	g        *Governor
	begun    time.Time // when it was sent
	probe    bool
	admitted bool
	ended    bool // it was answered, or given back
	done     bool
}

// Sent says that the invocation is being made. Before, its answer can't be late, and so
// says nothing of what Lambda admits.
func (p *Permit) Sent() {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.begun = time.Now()
	p.g.fresh = append(p.g.fresh, p)
	p.g.stats.Invocations++
}

// ask ends the probe when Lambda can't be reached.
func (p *Permit) ask(ctx context.Context, reachable func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, probePatience, errors.New("no answer"))
	defer cancel()
	err := reachable(ctx)
	if err == nil {
		zerolog.Ctx(ctx).Info().Msg("lambda can be reached again")
		return nil
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.g.breaker.unreachable(time.Now(), fault.Describe(err).Error())
	p.probe, p.g.probe = false, nil
	return fault.New(CodeClosed, "Lambda can't be reached yet: %w", err).Advise("check the function and the way to it")
}

// Succeeded says that the function did what it should.
func (p *Permit) Succeeded() {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.ended = true
	p.g.admit(p)
	p.g.breaker.succeeded()
	p.g.probe = nil
}

// Throttled says that Lambda had no capacity, and asked to stay away so long.
func (p *Permit) Throttled(away time.Duration) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	now := time.Now()
	p.ended = true
	p.g.stats.Throttles++
	p.g.last = now
	p.g.window.throttled(p.begun, now, p.g.underWay-1)
	if p.g.underWay == 1 { // this one: when nothing else is under way, nothing else sets the pace
		p.g.pause = min(max(2*p.g.pause, firstPause), maxPause)
		away = max(away, p.g.pause)
	}
	if until := now.Add(away); until.After(p.g.away) {
		p.g.away = until
	}
	if p.g.probe == p {
		p.g.probe = nil
		if p.g.breaker.survived(0) {
			p.g.breaker.admitted(now) // it is there, and full
		} else {
			p.g.breaker.withdrawn()
		}
	}
}

// Failed says that Lambda or the function failed, and how.
func (p *Permit) Failed(ctx context.Context, how error) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	now := time.Now()
	p.ended = true
	p.g.stats.Failures++
	if p.g.probe == p {
		p.g.probe = nil
	}
	if p.g.breaker.failed(now, p.begun, p.probe, fault.Describe(how).Error()) {
		p.g.stats.Opened++
		zerolog.Ctx(ctx).Warn().Err(how).Int("failures", p.g.breaker.failures).Msg("lambda fails, nothing more is forwarded until it answers")
	}
}

// Done gives the right back.
func (p *Permit) Done() {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if p.done {
		return
	}
	p.done = true
	p.g.underWay--
	if p.admitted {
		p.g.admitted--
	}
	if p.g.probe == p {
		p.g.probe = nil
		p.g.breaker.withdrawn()
	}
	p.ended = true
}
