package governor_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sagefleet/sagefleet/bridge/governor"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// TestDown: a Lambda that is down is left alone, and used within seconds when it is
// back.
func TestDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lambda{g: governor.New(100, config), capacity: 100, takes: 100 * time.Millisecond, down: true}
		began := time.Now()
		go func() {
			time.Sleep(time.Minute)
			l.mu.Lock()
			l.down = false
			if l.asked > 20 {
				t.Errorf("%d invocations while it was down", l.asked)
			}
			l.mu.Unlock()
		}()
		ok, reason := true, ""
		go func() {
			time.Sleep(31 * time.Second)
			ok, reason = l.g.Open(time.Now())
		}()
		l.drive(t.Context(), 100, time.Hour)
		if l.done != 100 || time.Since(began) > 65*time.Second {
			t.Errorf("%d done after %v", l.done, time.Since(began))
		}
		if ok || reason == "" {
			t.Errorf("open while it was down: %v %q", ok, reason)
		}
		if stats := l.g.Stats(); stats.Opened != 1 || stats.UnderWay != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

// TestBroken: a function that can be reached and always fails costs ever fewer
// executions an attempt.
func TestBroken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lambda{g: governor.New(100, config), capacity: 100, takes: 100 * time.Millisecond, broken: true}
		l.drive(t.Context(), 1000, time.Hour)
		if l.asked < 60 || l.asked > 90 {
			t.Errorf("%d attempts were spent in an hour", l.asked)
		}
	})
}

// TestBrokenSlowly: one that fails only after a while does so too, although it looks well
// until then.
func TestBrokenSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lambda{g: governor.New(100, config), capacity: 100, takes: 5 * time.Second, broken: true, fails: 5 * time.Second}
		l.drive(t.Context(), 1000, 10*time.Minute)
		first := l.asked
		if first > 130 { // 100 before the first one fails
			t.Errorf("%d attempts were spent in ten minutes", first)
		}
		l.broken = false
		began := time.Now()
		l.drive(t.Context(), 500, time.Hour)
		if took := time.Since(began); l.done != 500 || took > 2*time.Minute {
			t.Errorf("%d done after %v, when it was well again", l.done, took)
		}
	})
}

// TestFailureAfterProbe: what one probe showed, one failure shows to be wrong; but not the
// failure of what had begun before the probe.
func TestFailureAfterProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := governor.New(100, config)
		begin := func() *governor.Permit {
			p, err := g.Begin(t.Context(), func(context.Context) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			p.Sent()
			return p
		}
		old := begin()
		for range config.Failures {
			p := begin()
			p.Failed(t.Context(), errDown)
			p.Done()
		}
		if ok, _ := g.Open(time.Now()); ok {
			t.Fatal("open after so many failures")
		}
		time.Sleep(config.Probe)
		probe := begin()
		time.Sleep(time.Second)
		if ok, reason := g.Open(time.Now()); !ok {
			t.Errorf("closed though a probe runs well: %s", reason)
		}
		old.Failed(t.Context(), errDown)
		if ok, reason := g.Open(time.Now()); !ok {
			t.Errorf("closed by the failure of what began before the probe: %s", reason)
		}
		probe.Failed(t.Context(), errDown)
		if ok, _ := g.Open(time.Now()); ok {
			t.Error("open although the probe failed in the end")
		}
	})
}

// TestSlowProbe: a probe that runs for minutes keeps nobody waiting.
func TestSlowProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lambda{g: governor.New(100, config), capacity: 100, takes: 10 * time.Minute, down: true}
		go l.drive(t.Context(), 100, time.Minute)
		time.Sleep(10 * time.Second)
		l.mu.Lock()
		l.down = false
		l.mu.Unlock()
		time.Sleep(5 * time.Second)
		if got := l.g.Stats().UnderWay; got != 100 {
			t.Errorf("%d of 100 under way", got)
		}
		time.Sleep(time.Hour)
	})
}

// TestProbeIsWithdrawn: a probe whose caller goes away leaves the next one its turn.
func TestProbeIsWithdrawn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lambda{g: governor.New(100, config), capacity: 100, down: true}
		l.drive(t.Context(), 10, time.Second)
		time.Sleep(2 * time.Second)
		l.down = false
		p, err := l.g.Begin(t.Context(), l.reachable)
		if err != nil {
			t.Fatal(err)
		}
		if ok, _ := l.g.Open(time.Now()); ok || l.g.Room(1) != 0 {
			t.Error("two probes at once")
		}
		if _, err := l.g.Begin(t.Context(), l.reachable); fault.CodeOf(err) != governor.CodeClosed {
			t.Errorf("a second probe: %v", err)
		}
		p.Done()
		p.Done() // is harmless
		if ok, reason := l.g.Open(time.Now()); !ok || l.g.Room(0) != 1 {
			t.Errorf("closed after a probe was given back: %s", reason)
		}
	})
}
