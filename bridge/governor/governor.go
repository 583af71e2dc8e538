// Package governor says how many invocations of a Lambda may begin, and when.
//
// Three limits work together: a rate, a window of invocations under way that adapts
// to what Lambda admits, and a breaker that stops when Lambda or the function fails
// again and again. It is asked before a message is taken off the queue, so that what
// Lambda can't take stays there for the workers, and once more before the invocation.
package governor

import (
	"context"
	"fmt"
	"sync"
	"time"

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
	fresh    []*Permit // not known to be admitted, in the order they were sent
	probe    *Permit   // that is under way
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
	if p := g.probe; p != nil && p.admitted && !p.ended && g.breaker.survived(now.Sub(p.begun)) {
		g.breaker.admitted(now)
		g.probe = nil
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
		p.probe, g.probe = true, p
		g.breaker.probe()
	}
	g.underWay++
	return p, g.rate.ReserveN(now, 1).DelayFrom(now), nil
}
