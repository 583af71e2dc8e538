package queue

import (
	"context"
	"time"
)

// room says how many messages may be taken besides those taken that are not settled.
type room func(taken int) int

// roomWait is how soon a consumer without room asks again.
const roomWait = 20 * time.Millisecond

// Govern asks room before each fetch how many messages may be taken besides those
// taken that are not settled: what can't be executed stays on the queue, for others.
// It must be called before Run.
func (c *Consumer) Govern(room func(taken int) int) { c.room = room }

// limit returns how many of n free slots may be used, and gives back the others. When
// that is none it waits a little.
func (r room) limit(ctx context.Context, n int, free chan struct{}) int {
	if r == nil {
		return n
	}
	allowed := max(0, min(n, r(cap(free)-n)))
	for range n - allowed {
		free <- struct{}{}
	}
	if allowed == 0 {
		pause(ctx, roomWait)
	}
	return allowed
}
