package storage

import (
	"os"
	"sync"
	"time"
)

// flusher makes files and directories durable for many callers at once.
//
// A few at a time each sync their own file, as if there were no flusher. Those who
// come meanwhile gather, and go together with one sync of the whole file system:
// its journal then commits once for all, and wakes one of them instead of each.
// The first of those who gather leads the others, so there is no goroutine, and
// nobody waits for company.
type flusher struct {
	whole wholeSync     // nil where everyone syncs its own
	slow  time.Duration // how long others are waited for

	mu      sync.Mutex
	current *flush    // the last that began, if it is under way
	running int       // are under way
	next    *flush    // gathers until current is done
	paused  time.Time // until then everyone syncs its own
	delays  int       // that came one after the other
	broken  bool      // and now for good
}

// wholeSync syncs a whole file system.
type wholeSync interface {
	// covers reports whether f lies on it.
	covers(f *os.File) bool
	sync() error
}

// flush is that of one group.
type flush struct {
	size int
	told chan struct{} // closed when those who gathered may go on
	done chan struct{} // closed when the next may begin
	own  bool          // it was none: everyone syncs its own
}

// A sync of the whole file system waits for what others wrote, too. While that is
// much, a file by itself is sooner done: who waits longer than that for others stops
// waiting, and syncs its own.
const (
	slowFlush = 25 * time.Millisecond

	// slowPause is how often as long as others are waited for everyone then syncs its
	// own, and twice as often after each further delay, up to slowDoublings.
	slowPause     = 4
	slowDoublings = 4

	// fewAlone go by themselves: beside a program that writes much, a file of
	// one's own is durable long before everything is.
	fewAlone = 4
)

// sync makes f durable: the data of a file, the names in a directory, as they are
// when it is called.
func (g *flusher) sync(f *os.File) error {
	if g.whole == nil || !g.whole.covers(f) {
		return f.Sync()
	}
	group, leads := g.join()
	switch {
	case group == nil:
		return f.Sync()
	case leads && group.own:
		close(group.told)
		defer g.end(group)
		return f.Sync()
	case leads:
		g.syncWhole(group)
		close(group.told)
		g.end(group)
	case !inTime(group.told, 2*g.slow): // for the one before, and for this
		g.pause()
		return f.Sync()
	}
	if group.own {
		return f.Sync()
	}
	return nil
}

// join returns the group to go with and whether the caller leads it, which then
// is complete. It returns no group when everyone is on their own.
func (g *flusher) join() (group *flush, leads bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken || time.Now().Before(g.paused) {
		return nil, false
	}
	if g.next != nil {
		g.next.size++
		return g.next, false
	}
	group = &flush{size: 1, told: make(chan struct{}), done: make(chan struct{})}
	before := g.current
	slow := false
	if before != nil && (before.size > 1 || g.running >= fewAlone) {
		g.next = group
		g.mu.Unlock()
		if slow = !inTime(before.done, g.slow); slow {
			g.pause()
		}
		g.mu.Lock()
		g.next = nil
	}
	group.own = slow || group.size == 1
	g.current = group
	g.running++
	return group, true
}

// inTime waits until c is closed, and reports whether that took no longer than limit.
func inTime(c <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}

// pause has everyone sync its own for a while: a disk that hesitated once not for long,
// as that costs more than waiting would.
func (g *flusher) pause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Before(g.paused) { // told of the same delay by another who waits
		return
	}
	g.paused = now.Add(slowPause * g.slow << min(g.delays, slowDoublings))
	g.delays++
}

func (g *flusher) end(group *flush) {
	g.mu.Lock()
	if g.current == group {
		g.current = nil
	}
	g.running--
	g.mu.Unlock()
	close(group.done)
}

// syncWhole must not be trusted again once it failed. The system tells such an
// error once, of whatever file, so the next call would keep silent about files of
// a later group that were written before. Synced by itself, each file tells its own.
func (g *flusher) syncWhole(group *flush) {
	g.mu.Lock()
	broken := g.broken
	g.mu.Unlock()
	if broken {
		group.own = true
		return
	}
	began := time.Now()
	err := g.whole.sync()
	took := time.Since(began)
	if took > g.slow {
		g.pause()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err != nil:
		group.own, g.broken = true, true
	case took <= g.slow && !time.Now().Before(g.paused):
		g.delays = 0
	}
}
