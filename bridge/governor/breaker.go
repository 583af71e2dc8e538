package governor

import "time"

// breaker stops invocations after several in a row have failed, and lets one through
// from time to time to see whether that is over.
type breaker struct {
	threshold int           // failures in a row that open it; 0 never
	base      time.Duration // between two probes
	wait      time.Duration // the next such wait: longer when probes get through and fail
	failures  int           // in a row
	lasted    time.Duration // the longest that one of them took to fail
	open      bool
	probing   bool
	until     time.Time // when open: the next probe
	closed    time.Time // when a probe last closed it
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

// survived reports whether an invocation that has run for so long has outlived what failed:
// a function that fails after a minute seems to be well until then. What failed at once
// has never begun to run.
func (b *breaker) survived(ran time.Duration) bool {
	return b.lasted < admission || ran > b.lasted+b.lasted/4
}

// admitted closes the breaker: Lambda takes invocations, and they run. How they end isn't
// known, so one more failure opens it again.
func (b *breaker) admitted(now time.Time) {
	if b.open {
		b.open, b.probing, b.failures, b.closed = false, false, b.threshold-1, now
	}
}

// succeeded says that an invocation did what it should.
func (b *breaker) succeeded() {
	b.wait, b.failures, b.lasted = b.base, 0, 0
	b.open, b.probing = false, false
}

// failed counts the failure of an invocation begun at a time. That of one which had begun
// before a probe, and is none, tells nothing new.
func (b *breaker) failed(now, begun time.Time, probe bool, reason string) (opened bool) {
	if b.threshold == 0 || !probe && (b.open || begun.Before(b.closed)) {
		return false
	}
	b.failures++
	b.lasted = max(b.lasted, now.Sub(begun))
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
