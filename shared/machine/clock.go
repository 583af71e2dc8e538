package machine

import "time"

// Since is the time since t by the clock that says more: the one that only goes forward
// stands still while the machine is suspended, and the other may be set back.
func Since(t time.Time) time.Duration {
	return max(time.Since(t), time.Now().Round(0).Sub(t.Round(0)))
}
