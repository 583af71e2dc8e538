package governor

import "time"

// breaker stops invocations after several in a row have failed, and lets one through
// from time to time to see whether that is over.
type breaker struct {
	threshold int           // failures in a row that open it; 0 never
	base      time.Duration // between two probes
	wait      time.Duration // the next such wait: longer when probes get through and fail
	failures  int           // in a row
	open      bool
	probing   bool
	until     time.Time // when open: the next probe
	reason    string    // the last failure's
}

// maxProbeWait bounds the wait between invocations of a function that can be reached
// and fails: each such probe costs an execution an attempt.
const maxProbeWait = time.Minute

// allows reports whether an invocation may begin; one that begins while the breaker
// is open is a probe.
func (b *breaker) allows(now time.Time) bool {
	return !b.open || !b.probing && !now.Before(b.until)
}

// probe says that a probe begins.
func (b *breaker) probe() { b.probing = true }

// unreachable ends a probe that could not even ask.
func (b *breaker) unreachable(now time.Time, reason string) {
	b.probing, b.until, b.reason = false, now.Add(b.base), reason
}

// withdrawn ends a probe that says nothing: the next one may begin at once.
func (b *breaker) withdrawn() { b.probing = false }

// admitted closes the breaker: Lambda takes invocations.
func (b *breaker) admitted() {
	if b.open {
		b.open, b.probing, b.failures = false, false, 0
	}
}

// succeeded says that an invocation did what it should.
func (b *breaker) succeeded() {
	b.wait, b.failures = b.base, 0
	b.admitted()
}

// failed counts a failure. While the breaker is open only the probe's counts: the
// others had begun before.
func (b *breaker) failed(now time.Time, probe bool, reason string) (opened bool) {
	if b.threshold == 0 || b.open && !probe {
		return false
	}
	b.failures++
	b.reason = reason
	if b.failures < b.threshold && !b.open {
		return false
	}
	opened = !b.open
	b.open, b.probing = true, false
	b.until = now.Add(b.wait)
	b.wait = min(2*b.wait, maxProbeWait)
	return opened
}
