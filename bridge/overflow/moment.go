package overflow

import (
	"fmt"
	"time"
)

// lastMoment is what policies with a deadline have in common: so much may wait,
// and the oldest not longer than the cloud allows.
type lastMoment struct {
	latest   time.Duration // start of the oldest in the cloud, after its acceptance
	cloud    time.Duration // what it takes there
	deadline time.Duration
	margin   time.Duration
	room     float64 // executions
}

// maxPending is as good as never.
const maxPending = 1 << 30

func (m lastMoment) decide(s Signals) Decision {
	slots := s.openSlots()
	left := m.latest - m.margin - s.HeadAge
	decide := func(n int, rule, reason string, args ...any) Decision {
		d := Decision{MinPending: n, Rule: rule, Reason: fmt.Sprintf(reason, args...), Inputs: s}
		if s.HeadAge > 0 {
			d.Review = max(0, left)
		}
		return d
	}
	switch {
	case s.HeadAge > 0 && left <= 0:
		return decide(1, RuleAge, "the oldest waits for %v, and the cloud needs %v of its %v", round(s.HeadAge), round(m.cloud), round(m.deadline))
	case slots <= 0:
		return decide(1, RuleNoSlots, "no worker has a slot for it")
	}
	// With 1 a message that is delivered again, to whom it may belong, would come here too.
	n := int(min(max(2, m.room), maxPending))
	full := s.Limit > 0 && s.InFlight >= s.Limit-s.Limit/10
	if tight := max(2, slots); (s.Throttled || full) && n > tight {
		return decide(tight, RuleThrottled, "the cloud takes no more than %d at once, so that no more than the next of %d slots may wait", s.InFlight, slots)
	}
	return decide(n, RuleSlack, "%d slots at %v each have room for %d before %v", slots, round(s.Service), n, round(s.Deadline))
}

// openSlots do what the cloud could do too.
func (s Signals) openSlots() int { return max(0, s.Slots-s.LocalOnlyBusy) }

// What is assumed until something was measured.
const (
	priorService = 1500 * time.Millisecond
	priorCloud   = 2 * time.Second
)

// assume fills in what s doesn't know.
func assume(s Signals, deadline time.Duration) Signals {
	s.Deadline, s.Service, s.Cloud = or(s.Deadline, deadline), or(s.Service, priorService), or(s.Cloud, priorCloud)
	return s
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func orElse(value, otherwise float64) float64 {
	if value > 0 {
		return value
	}
	return otherwise
}

// round shortens d for a sentence.
func round(d time.Duration) time.Duration {
	if d >= 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
