package sim

import (
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// plan turns a seed into decisions.
type plan struct {
	seed  uint64
	rates rates
	regime
}

// rates are how often, of a million operations, something goes wrong.
type rates struct {
	crash     uint64 // the process dies
	lose      uint64 // the request never arrives
	mute      uint64 // it is carried out and the answer is lost
	slow      uint64 // one way takes seconds
	refuse    uint64 // the server says no, at once
	pause     uint64 // the process stands still for longer than a lock lives
	redeliver uint64 // a delivery is repeated although nothing is late
}

// newPlan chooses how hard the seed is: some seeds have one kind of fault only,
// so that what it does alone isn't hidden behind the others.
func newPlan(seed uint64) plan {
	p := plan{seed: seed}
	rate := func(kind string, most uint64) uint64 {
		switch p.number("rate", kind) % 4 {
		case 0:
			return 0
		case 1:
			return most
		}
		return most / 4
	}
	p.rates = rates{
		crash: rate("crash", 20_000), lose: rate("lose", 30_000), mute: rate("mute", 40_000),
		slow: rate("slow", 40_000), refuse: rate("refuse", 30_000), pause: rate("pause", 15_000),
		redeliver: rate("redeliver", 150_000),
	}
	p.regime = newRegime(p)
	return p
}

// number is the decision named by parts, as 64 random bits.
func (p plan) number(parts ...string) uint64 {
	return scramble(hash(p.seed*0x9e3779b97f4a7c15, parts...))
}

// hash is FNV-1a of parts, begun with what came before.
func hash(before uint64, parts ...string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset) ^ before
	for _, part := range parts {
		for i := range len(part) {
			h = (h ^ uint64(part[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	return h
}

// scramble spreads every bit of h over all bits.
func scramble(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// between is a duration from low to high.
func between(number uint64, low, high time.Duration) time.Duration {
	return low + time.Duration(number%uint64(high-low))
}

// fate is what one operation meets.
type fate struct {
	request, answer time.Duration // how long each way takes
	lost, mute      bool
	refused         bool
	crash           crashPoint
	pause           time.Duration // before the operation begins
	timeout         time.Duration // how long a store's client waits for an answer
}

type crashPoint int

const (
	survives crashPoint = iota
	crashBefore
	crashDuring // the request has left
	crashAfter  // the answer has come
)

// polls are the operations that are repeated all the time. They meet less, and what
// writes results meets more: most of what goes wrong does so where it matters.
var polls = map[string]bool{"fetch": true, "withdraw": true, "look": true, "info": true, "stream": true, "progress": true,
	"bucket": true, "consumer": true, "watch": true, "list": true, "ordered": true, "read": true}

// pulses are the subjects of what says every second that a bridge lives.
var pulses = []string{"$KV." + bus.BucketFleet + ".", "$KV." + bus.BucketBudget + ".", "sage.decision."}

// rarity is by how much less an operation meets than most: so many times, and parts.
func rarity(op, key string) (times, part uint64) {
	switch {
	case polls[op]:
		return 20, 1
	case op == "put" || op == "create":
		return 1, 4
	}
	for _, pulse := range pulses {
		if strings.HasPrefix(key, pulse) {
			return 8, 1
		}
	}
	return 1, 1
}

// fate decides what the n-th operation of its name meets.
func (p plan) fate(quiet bool, who, op, key string, n int) fate {
	h := p.number(who, op, key, strconv.Itoa(n))
	next := func() uint64 { h += 0x9e3779b97f4a7c15; return scramble(h) }
	f := fate{
		request: between(next(), 50*time.Microsecond, 2*time.Millisecond),
		answer:  between(next(), 50*time.Microsecond, 2*time.Millisecond),
		timeout: between(next(), 500*time.Millisecond, 3*time.Second),
	}
	if quiet {
		return f
	}
	times, part := rarity(op, key)
	among := 1_000_000 * times / part
	hit := func(rate uint64) bool { return next()%among < rate }
	if hit(p.rates.slow) {
		f.request += between(next(), 10*time.Millisecond, 8*time.Second)
	}
	if hit(p.rates.slow) {
		f.answer += between(next(), 10*time.Millisecond, 8*time.Second)
	}
	f.lost, f.mute, f.refused = hit(p.rates.lose), hit(p.rates.mute), hit(p.rates.refuse)
	if hit(p.rates.pause) {
		f.pause = between(next(), 100*time.Millisecond, 12*time.Second)
	}
	if hit(p.rates.crash) {
		f.crash = crashBefore + crashPoint(next()%3)
	}
	return f
}
