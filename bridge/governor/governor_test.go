package governor_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sagefleet/sagefleet/bridge/governor"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// lambda is a function that takes some time and so many invocations at once.
type lambda struct {
	g        *governor.Governor
	mu       sync.Mutex
	capacity int
	running  int
	most     int
	takes    time.Duration
	down     bool
	broken   bool          // reachable, and fails
	fails    time.Duration // after so long
	asked    int
	done     int
	throttle int
}

var errDown = errors.New("connection refused")

func (l *lambda) reachable(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return errDown
	}
	return nil
}

// invoke carries out one message as the bridge does; it is false when the message
// goes back.
func (l *lambda) invoke(ctx context.Context) bool {
	p, err := l.g.Begin(ctx, l.reachable)
	if err != nil {
		return false
	}
	defer p.Done()
	p.Sent()
	l.mu.Lock()
	l.asked++
	switch {
	case l.down || l.broken:
		l.mu.Unlock()
		time.Sleep(l.fails)
		p.Failed(ctx, errDown)
		return false
	case l.running >= l.capacity:
		l.throttle++
		l.mu.Unlock()
		p.Throttled(0)
		return false
	}
	l.running++
	l.most = max(l.most, l.running)
	l.mu.Unlock()
	time.Sleep(l.takes)
	l.mu.Lock()
	l.running--
	l.done++
	l.mu.Unlock()
	p.Succeeded()
	return true
}

// drive has messages executed as the consumer does, until so many are done or the
// time is over.
func (l *lambda) drive(ctx context.Context, messages int, limit time.Duration) {
	var working sync.WaitGroup
	defer working.Wait()
	var mu sync.Mutex
	left, taken := messages, 0
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		if left == 0 && taken == 0 {
			mu.Unlock()
			return
		}
		for range min(left, l.g.Room(taken)) {
			left--
			taken++
			working.Go(func() {
				ok := l.invoke(ctx)
				mu.Lock()
				defer mu.Unlock()
				taken--
				if !ok {
					left++
				}
			})
		}
		mu.Unlock()
	}
}

var config = governor.Config{Rate: 1000, Start: 10, Failures: 5, Probe: 2 * time.Second}

// TestThrottling: however little capacity there is, few invocations are in vain, and
// most of what there is is used.
func TestThrottling(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		capacity, messages int
		takes              time.Duration
		use                float64 // of the capacity, at least
	}{
		"one":               {1, 100, 200 * time.Millisecond, 0.8},
		"five":              {5, 500, 200 * time.Millisecond, 0.8},
		"fifty":             {50, 3000, 200 * time.Millisecond, 0.8},
		"five, long":        {5, 300, 5 * time.Second, 0.8},
		"more than allowed": {1000, 3000, 200 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lambda{g: governor.New(100, config), capacity: tt.capacity, takes: tt.takes}
				began := time.Now()
				l.drive(t.Context(), tt.messages, time.Hour)
				took := time.Since(began)
				ratio := float64(l.asked) / float64(tt.messages)
				ideal := time.Duration(math.Ceil(float64(tt.messages)/float64(tt.capacity))) * tt.takes
				t.Logf("%d done with %d invocations, ratio %.3f, use %.2f, limit %d", l.done, l.asked, ratio, float64(ideal)/float64(took), l.g.Limit())
				if l.done != tt.messages || ratio > 1.2 {
					t.Errorf("%d of %d done with %d invocations", l.done, tt.messages, l.asked)
				}
				if float64(ideal)/float64(took) < tt.use {
					t.Errorf("took %v, ideally %v", took, ideal)
				}
				if l.most > 100 {
					t.Errorf("%d were under way", l.most)
				}
				if stats := l.g.Stats(); stats.UnderWay != 0 || stats.Invocations != int64(l.asked) || stats.Throttles != int64(l.throttle) {
					t.Errorf("%+v", stats)
				}
			})
		})
	}
}

// TestNoCapacity: a function without any capacity is asked seldom.
func TestNoCapacity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lambda{g: governor.New(100, config)}
		l.drive(t.Context(), 1000, 10*time.Minute)
		if l.asked > 200 {
			t.Errorf("asked %d times in 10 minutes", l.asked)
		}
		if !l.g.Throttled() {
			t.Error("not said to be throttled")
		}
	})
}

// TestRamp: with capacity, the window is open within seconds.
func TestRamp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lambda{g: governor.New(1000, config), capacity: 1000, takes: time.Minute}
		go l.drive(t.Context(), 1000, 3*time.Second)
		time.Sleep(3 * time.Second)
		if got := l.g.Stats().UnderWay; got != 1000 {
			t.Errorf("%d of 1000 under way after 3 s", got)
		}
		time.Sleep(2 * time.Minute)
	})
}

// TestCapacityFalls: others take what Lambda has.
func TestCapacityFalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lambda{g: governor.New(100, config), capacity: 100, takes: 500 * time.Millisecond}
		go func() {
			time.Sleep(5 * time.Second)
			l.mu.Lock()
			l.capacity = 4
			l.mu.Unlock()
		}()
		l.drive(t.Context(), 1500, time.Hour)
		if ratio := float64(l.asked) / 1500; l.done != 1500 || ratio > 1.2 {
			t.Errorf("%d done, ratio %.2f", l.done, ratio)
		}
	})
}

// TestNotSent: while an invocation is prepared nothing is known of what Lambda admits.
func TestNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := governor.New(100, config)
		var permits []*governor.Permit
		for range config.Start {
			p, err := g.Begin(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			permits = append(permits, p)
		}
		time.Sleep(5 * time.Second) // the books are slow
		if g.Limit() != config.Start || g.Stats().Invocations != 0 || g.Stats().UnderWay != config.Start {
			t.Errorf("limit %d, %+v: nothing was sent", g.Limit(), g.Stats())
		}
		for _, p := range permits {
			p.Sent()
		}
		time.Sleep(time.Second)
		if g.Limit() <= config.Start || g.Stats().Invocations != int64(config.Start) {
			t.Errorf("limit %d, %+v: all were admitted", g.Limit(), g.Stats())
		}
	})
}

func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config
		cfg.Rate = 20
		l := &lambda{g: governor.New(1000, cfg), capacity: 1000, takes: time.Millisecond}
		began := time.Now()
		l.drive(t.Context(), 220, time.Hour)
		if took := time.Since(began); took < 10*time.Second-50*time.Millisecond || took > 10500*time.Millisecond {
			t.Errorf("220 at 20 a second, 20 at once, took %v", took)
		}
	})
}

// TestBeginWaitsForTheRate, whoever has taken too much all the same.
func TestBeginWaitsForTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := config
		cfg.Rate = 2
		g := governor.New(100, cfg)
		began := time.Now()
		for range 4 {
			if _, err := g.Begin(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("4 at 2 a second, 2 at once, took %v", took)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errDown)
		defer cancel()
		if _, err := g.Begin(ctx, nil); !errors.Is(err, errDown) || g.Stats().UnderWay != 4 {
			t.Errorf("got %v, %+v", err, g.Stats())
		}
	})
}

func TestShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := governor.New(100, governor.Config{})
		for share, want := range map[float64]int{1: 100, 0.25: 25, 0.001: 1, 2: 100, 0: 0, -1: 0} {
			g.SetShare(share)
			ok, reason := g.Open(time.Now())
			if g.Limit() != want || g.Room(0) != want || ok != (want > 0) {
				t.Errorf("share %v: limit %d, room %d, open %v %s", share, g.Limit(), g.Room(0), ok, reason)
			}
		}
		g.SetShare(0.5)
		if room := g.Room(30); room != 20 {
			t.Errorf("room for %d beside 30", room)
		}
		g.SetShare(0)
		if _, err := g.Begin(t.Context(), nil); fault.CodeOf(err) != governor.CodeClosed {
			t.Errorf("began without a share: %v", err)
		}
	})
}

func TestConfigIsRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]governor.Config{
		"GOVERNOR_RATE": {Rate: -1}, "GOVERNOR_START": {Start: -1},
		"GOVERNOR_FAILURES": {Failures: -1}, "GOVERNOR_PROBE": {Failures: 1},
	} {
		if err := cfg.Validate(); err == nil || !fault.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (governor.Config{Rate: math.NaN()}).Validate(); err == nil {
		t.Error("NaN accepted")
	}
}
