// Package governor says how many invocations of a Lambda may begin, and when.
//
// Three limits work together: a rate, a window of invocations under way that adapts
// to what Lambda admits, and a breaker that stops when Lambda or the function fails
// again and again. It is asked before a message is taken off the queue, so that what
// Lambda can't take stays there for the workers, and once more before the invocation.
package governor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeClosed says that no invocation may begin now.
const CodeClosed fault.Code = "GOVERNOR_CLOSED"

const (
	// admission is after what time an invocation counts as admitted although it has
	// not ended: Lambda throttles at once.
	admission = 250 * time.Millisecond
	// probePatience is how long the question may take whether Lambda is there.
	probePatience = 2 * time.Second
	// Pauses when Lambda takes nothing at all, each twice as long as the one before.
	firstPause, maxPause = 250 * time.Millisecond, 4 * time.Second
	// throttledFor is how long a throttle is remembered.
	throttledFor = 5 * time.Second
)

// Governor limits the invocations of one bridge.
type Governor struct {
	mu       sync.Mutex
	cfg      Config
	rate     *rate.Limiter
	window   window
	breaker  breaker
	underWay int
	admitted int       // of them, not refused
	fresh    []*Permit // not known to be admitted, in the order they began
	last     time.Time // of the last throttle
	away     time.Time // no invocation before that
	pause    time.Duration
	stats    Stats
}

// Stats counts what happened since the start.
type Stats struct {
	Invocations int64 // begun
	Throttles   int64 // of them, refused for lack of capacity
	Failures    int64 // of them, failed in a way that is not the execution's own
	Opened      int64 // how often the breaker opened
	UnderWay    int   // now
}

// New returns a Governor that lets at most ceiling invocations be under way.
func New(ceiling int, cfg Config) *Governor {
	g := &Governor{cfg: cfg, window: newWindow(ceiling, cfg.Start),
		breaker: breaker{threshold: cfg.Failures, base: cfg.Probe, wait: cfg.Probe}}
	g.rate = rate.NewLimiter(g.perSecond())
	return g
}

// perSecond is the rate, and how many may begin at once: as many as in a second.
func (g *Governor) perSecond() (rate.Limit, int) {
	if g.cfg.Rate == 0 {
		return rate.Inf, 0
	}
	r := g.cfg.Rate * g.window.share
	return rate.Limit(r), max(1, int(r))
}

// SetShare gives this bridge a part of the limits, from 0 to 1: several bridges
// share a function. With 0 it begins nothing.
func (g *Governor) SetShare(fraction float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.window.share = min(max(fraction, 0), 1)
	now := time.Now()
	limit, burst := g.perSecond()
	g.rate.SetLimitAt(now, limit)
	g.rate.SetBurstAt(now, burst)
}

// Open reports whether invocations may begin, and if not, why not. A full window is
// no reason: see [Governor.Room].
func (g *Governor) Open(now time.Time) (ok bool, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(now)
	reason = g.closed(now)
	return reason == "", reason
}

func (g *Governor) closed(now time.Time) (reason string) {
	switch {
	case g.window.share <= 0:
		return "other bridges have the whole share of Lambda"
	case now.Before(g.away):
		return "Lambda has no capacity for now"
	case !g.breaker.allows(now):
		return "Lambda fails: " + g.breaker.reason
	}
	return ""
}

// Limit is how many invocations may be under way at once.
func (g *Governor) Limit() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(time.Now())
	return g.window.limit()
}

// Throttled reports whether Lambda refused invocations for lack of capacity within
// the last seconds.
func (g *Governor) Throttled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.last.IsZero() && time.Since(g.last) < throttledFor
}

// Stats returns the counts as of now.
func (g *Governor) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	stats := g.stats
	stats.UnderWay = g.underWay
	return stats
}

// Room is how many more executions may be taken off the queue by whoever has taken
// so many that have not ended.
func (g *Governor) Room(taken int) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.settle(now)
	if g.closed(now) != "" {
		return 0
	}
	limit := g.window.limit()
	if g.breaker.open {
		limit = min(limit, g.underWay+1) // one, to probe
	}
	room := limit - max(taken, g.underWay)
	if g.cfg.Rate > 0 {
		room = min(room, int(g.rate.TokensAt(now))-max(0, taken-g.underWay)) // each of those will need one
	}
	return max(0, room)
}

// settle takes note of what was admitted by now.
func (g *Governor) settle(now time.Time) {
	for len(g.fresh) > 0 && now.Sub(g.fresh[0].begun) >= admission {
		if p := g.fresh[0]; !p.ended {
			g.admit(p)
		}
		g.fresh = g.fresh[1:]
	}
}

func (g *Governor) admit(p *Permit) {
	if p.admitted {
		return
	}
	p.admitted = true
	g.admitted++
	g.pause = 0
	g.window.grow(g.underWay, g.admitted)
	if p.probe {
		g.breaker.admitted()
	}
}

// Permit is the right to one invocation. Succeeded, Throttled or Failed says what was
// answered; Done gives the right back when the work can't be going on any more.
type Permit struct {
	g        *Governor
	begun    time.Time
	probe    bool
	admitted bool
	ended    bool // it was answered, or given back
	done     bool
}

// Begin waits for the rate and returns a Permit, or a fault with [CodeClosed]. Where
// the breaker is open, the first to come asks reachable whether Lambda is there.
func (g *Governor) Begin(ctx context.Context, reachable func(context.Context) error) (*Permit, error) {
	p, wait, err := g.begin(time.Now())
	if err != nil {
		return nil, err
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			p.Done()
			return nil, context.Cause(ctx)
		}
	}
	if p.probe {
		if err := p.ask(ctx, reachable); err != nil {
			p.Done()
			return nil, err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p.begun = time.Now()
	g.fresh = append(g.fresh, p)
	g.stats.Invocations++
	return p, nil
}

func (g *Governor) begin(now time.Time) (*Permit, time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(now)
	reason := g.closed(now)
	if limit := g.window.limit(); reason == "" && g.underWay >= limit {
		reason = fmt.Sprintf("%d invocations are under way", limit)
	}
	if reason != "" {
		return nil, 0, fault.New(CodeClosed, "no invocation may begin: %s", reason).
			Advise("nothing: workers take the execution, or a bridge when Lambda takes more")
	}
	p := &Permit{g: g, begun: now}
	if g.breaker.open {
		p.probe = true
		g.breaker.probe()
	}
	g.underWay++
	return p, g.rate.ReserveN(now, 1).DelayFrom(now), nil
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
	p.probe = false
	return fault.New(CodeClosed, "Lambda can't be reached yet: %w", err).Advise("check the function and the way to it")
}

// Succeeded says that the function did what it should.
func (p *Permit) Succeeded() {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.ended = true
	p.g.admit(p)
	p.g.breaker.succeeded()
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
	if p.probe {
		p.g.breaker.admitted() // it is there, and full
	}
}

// Failed says that Lambda or the function failed, and how.
func (p *Permit) Failed(ctx context.Context, how error) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.ended = true
	p.g.stats.Failures++
	if p.g.breaker.failed(time.Now(), p.probe, fault.Describe(how).Error()) {
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
	if p.probe && !p.ended && !p.admitted {
		p.g.breaker.withdrawn()
	}
	p.ended = true
}
