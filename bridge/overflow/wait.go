package overflow

import "time"

// LatestWait is until when to wait for an invocation begun at began whose work has a
// deadline: as long as a worker could still begin and be in time, but at least twice as
// long as 95 % of such runs take, since giving one up that comes to its end pays for the
// same work twice. What isn't known of the cloud's runs and the workers' is 0.
func LatestWait(began, deadline time.Time, cloud, service time.Duration) time.Time {
	overrun := began.Add(2 * or(cloud, priorCloud))
	begin := deadline.Add(-2 * or(service, priorService)) // many take longer than the average
	if begin.After(overrun) {
		return begin
	}
	return overrun
}
