package overflow

import "time"

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

// Name implements [Policy].
func (Slack) Name() string { return PolicySlack }

// Decide implements [Policy].
func (p Slack) Decide(s Signals) Decision {
	s = assume(s, p.Deadline)
	latest := s.Deadline - s.Cloud
	room := p.Fill * float64(s.openSlots()) * latest.Seconds() / s.Service.Seconds()
	return lastMoment{latest: latest, cloud: s.Cloud, deadline: s.Deadline, margin: p.Margin, room: room}.decide(s)
}
