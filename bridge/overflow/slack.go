package overflow

import (
	"fmt"
	"time"
)

// Slack lets as much wait as workers can do in time, and no more: work goes to
// the cloud when waiting longer would leave the cloud too little time.
//
// What waits last starts, in the cloud or on a worker, at the latest Deadline − Cloud
// after it was accepted. Until then the workers' slots do slots·(Deadline − Cloud)/Service
// executions, on average; Fill of that may wait. The estimate may be wrong, so whatever
// the count says the oldest goes when only Margin is left to its last moment.
type Slack struct {
	Deadline time.Duration // where the signals have none
	Fill     float64       // 0 to 1
	Margin   time.Duration
}

// What is assumed until something was measured.
const (
	priorService = 1500 * time.Millisecond
	priorCloud   = 2 * time.Second
)

// Name implements [Policy].
func (Slack) Name() string { return PolicySlack }

// Decide implements [Policy].
func (p Slack) Decide(s Signals) Decision {
	s.Deadline, s.Service, s.Cloud = or(s.Deadline, p.Deadline), or(s.Service, priorService), or(s.Cloud, priorCloud)
	slots := s.Slots - s.LocalOnlyBusy
	latest := s.Deadline - s.Cloud // the last start, after acceptance
	decide := func(n int, rule, reason string, args ...any) Decision {
		return Decision{MinPending: n, Rule: rule, Reason: fmt.Sprintf(reason, args...), Inputs: s}
	}
	switch {
	case s.HeadAge > 0 && s.HeadAge >= latest-p.Margin:
		return decide(1, RuleAge, "the oldest waits for %v, and the cloud needs %v of %v", round(s.HeadAge), round(s.Cloud), round(s.Deadline))
	case slots <= 0:
		return decide(1, RuleNoSlots, "no worker has a slot for it")
	}
	room := p.Fill * float64(slots) * max(0, latest.Seconds()) / s.Service.Seconds()
	// With 1 a message that is delivered again, to whom it may belong, would come here too.
	n := int(min(max(2, room), maxPending))
	if tight := max(2, slots); s.Throttled && n > tight {
		return decide(tight, RuleThrottled, "invocations are refused, so what %d slots don't begin with goes early", slots)
	}
	return decide(n, RuleSlack, "%d slots at %v each can begin %d within %v", slots, round(s.Service), n, round(latest))
}

// maxPending is as good as never.
const maxPending = 1 << 30

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
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
