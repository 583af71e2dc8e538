package simulate

// environments are those of the Lambda.
type environments struct {
	setup  Cloud
	idle   []float64 // since when, the oldest first
	busy   int
	peak   int
	colds  int
	starts float64 // how many can be started at once, as of
	asOf   float64
	refuse float64 // when the last invocation was refused
}

func newEnvironments(setup Cloud) *environments {
	return &environments{setup: setup, starts: setup.NewPerSec, refuse: -horizon}
}

// begin finds or starts an environment. If there is none it says when to try again.
func (e *environments) begin(now float64) (cold, ok bool, again float64) {
	if n := len(e.idle); n > 0 && now-e.idle[n-1] <= e.setup.KeepAlive {
		e.idle = e.idle[:n-1]
		e.run()
		return false, true, 0
	}
	e.idle = e.idle[:0] // the youngest has expired
	if e.busy >= e.setup.Concurrency {
		e.refuse = now
		return false, false, now + 0.1
	}
	e.starts = min(e.setup.NewPerSec, e.starts+(now-e.asOf)*e.setup.NewPerSec)
	e.asOf = now
	if e.starts < 1-1e-9 {
		e.refuse = now
		return false, false, now + (1-e.starts)/e.setup.NewPerSec
	}
	e.starts--
	e.colds++
	e.run()
	return true, true, 0
}

func (e *environments) run() {
	e.busy++
	e.peak = max(e.peak, e.busy)
}

func (e *environments) end(now float64) {
	e.busy--
	e.idle = append(e.idle, now)
}

// throttled says whether an invocation was refused in the last second.
func (e *environments) throttled(now float64) bool { return now-e.refuse < 1 }
