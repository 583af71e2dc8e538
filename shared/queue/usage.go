package queue

import (
	"sync"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// Usage is how many of a consumer's slots there are and what they do.
type Usage struct {
	Slots int
	Busy  int
	// Free is how many slots the queue was asked to fill and did not for at least
	// idleAfter: work that comes now is taken at once. FreeFor is for how long.
	Free    int
	FreeFor time.Duration

	LocalSlots int // for work that no Lambda can take
	LocalBusy  int
}

// idleAfter is how long the queue must leave a slot empty until it counts as free:
// longer than it takes to be handed the next message while there is work.
const idleAfter = 50 * time.Millisecond

// usage counts a pump's slots. It is safe for concurrent use.
type usage struct {
	changed func() // called when the last free slot was taken, and when one became free

	mu     sync.Mutex
	busy   int
	asking int       // slots that the queue is being asked to fill
	since  time.Time // when asking began
	idle   bool      // asking for longer than idleAfter
	timer  *time.Timer
}

// ask notes that the queue is asked for n messages, or for none.
func (u *usage) ask(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n > 0 && u.asking == 0 {
		u.since = time.Now()
		if u.timer == nil {
			u.timer = time.AfterFunc(idleAfter, u.waited)
		} else {
			u.timer.Reset(idleAfter)
		}
	}
	u.set(n)
}

// begin notes that a slot began to work; asked says that it had asked the queue.
func (u *usage) begin(asked bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy++
	if asked {
		u.set(max(u.asking-1, 0))
	}
}

func (u *usage) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.busy--
}

func (u *usage) set(asking int) {
	u.asking = asking
	if asking > 0 {
		return
	}
	if u.timer != nil {
		u.timer.Stop()
	}
	if u.idle {
		u.idle = false
		u.changed()
	}
}

// waited runs when the queue has been asked for a while.
func (u *usage) waited() {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch left := idleAfter - time.Since(u.since); {
	case u.asking == 0 || u.idle:
	case left > 0: // it was about an earlier time
		u.timer.Reset(left)
	default:
		u.idle = true
		u.changed()
	}
}

// read returns busy slots, and those that are free and for how long.
func (u *usage) read() (busy, free int, freeFor time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.idle {
		free, freeFor = u.asking, time.Since(u.since)
	}
	return u.busy, free, freeFor
}

// Usage returns what the slots do now.
func (c *Consumer) Usage() Usage {
	u := Usage{Slots: c.slots.Fleet, LocalSlots: c.slots.Local}
	u.Busy, u.Free, u.FreeFor = c.used.read()
	u.LocalBusy, _, _ = c.usedLocal.read()
	return u
}

// Changed receives soon after the last free slot was taken, and after one became
// free.
func (c *Consumer) Changed() <-chan struct{} { return c.changed }

// why says how it came that a message is executed here: there was a slot, and so many
// more waited.
func (c *Consumer) why(pending int) *execution.Why {
	u := c.Usage()
	return &execution.Why{Rule: execution.RuleSlot, Signals: &execution.Signals{Pending: pending, Slots: u.Slots, Busy: u.Busy}}
}
