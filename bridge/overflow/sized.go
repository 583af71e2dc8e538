package overflow

import "time"

// Sized is Slack that knows how large the oldest file is.
//
// Slack keeps the time free that the cloud needs for nearly every file, which a few
// large ones make long, for all. Here what may wait is what workers can end in time,
// whatever the cloud would need: slots·(Deadline/Service − 1.5) executions begin early
// enough to end, when the slots are half done with theirs. The oldest goes when only
// Margin is left to the moment that leaves the cloud the time for a file of its size. A
// large file has more time, if its request says so, and keeps nobody else's free.
type Sized struct {
	Deadline time.Duration // where the signals have none
	Fill     float64       // 0 to 1
	Margin   time.Duration
}

// Name implements [Policy].
func (Sized) Name() string { return PolicySized }

// Decide implements [Policy].
func (p Sized) Decide(s Signals) Decision {
	s = assume(s, p.Deadline)
	cloud, deadline := or(s.HeadCloud, s.Cloud), or(s.HeadDeadline, s.Deadline)
	room := p.Fill * float64(s.openSlots()) * (s.Deadline.Seconds()/s.Service.Seconds() - 1.5)
	latest := min(deadline-cloud, s.Deadline) // what comes after it may have less time
	return lastMoment{latest: latest, cloud: cloud, deadline: deadline, margin: p.Margin, room: room}.decide(s)
}
