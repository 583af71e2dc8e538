package sim

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"
)

var (
	oneSeed = flag.Uint64("seed", 0, "run this seed alone and print what happened")
	seeds   = flag.Uint64("seeds", 200, "how many seeds to run")
	first   = flag.Uint64("first", 1, "the first of them")
	replays = flag.Uint64("replays", 20, "how many seeds to run twice")
	until   = flag.Bool("until-violated", false, "stop at the first seed that violates an invariant")
)

// TestProtocol: whatever goes wrong, nothing is lost and nothing is doubled.
func TestProtocol(t *testing.T) {
	if *oneSeed != 0 {
		w := simulate(t, *oneSeed, true)
		for _, s := range w.trace {
			fmt.Println(s)
		}
		complain(t, w)
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(2000)) // a seed lives in a few megabytes
	began := time.Now()
	seen := map[string]int{}
	for seed := *first; seed < *first+*seeds; seed++ {
		w := simulate(t, seed, false)
		complain(t, w)
		for what, n := range w.seen {
			seen[what] += n
		}
		if *until && len(w.violations) > 0 {
			return
		}
	}
	t.Logf("%d seeds in %v: %v", *seeds, time.Since(began).Round(time.Millisecond), seen)
	for _, what := range expected {
		if seen[what] == 0 && *seeds >= 100 {
			t.Errorf("%q never happened: the simulation has lost its teeth", what)
		}
	}
}

// expected is what many seeds must meet.
var expected = []string{"request lost", "answer lost", "refused", "crash", "pause", "delivery late", "delivered twice", "retry due",
	"SUCCEEDED by worker", "SUCCEEDED by lambda", "DEAD by worker", "DEAD by lambda", "CANCELLED by operator", "redriven"}

func complain(t *testing.T, w *world) {
	for _, v := range w.violations {
		t.Errorf("seed %d: %s", w.plan.seed, v)
	}
}

// TestReplay: a seed does the same each time.
func TestReplay(t *testing.T) {
	for seed := range *replays {
		a, b := simulate(t, 1000+seed, true), simulate(t, 1000+seed, true)
		if a.digest == b.digest {
			continue
		}
		for i, s := range a.trace {
			if i >= len(b.trace) || b.trace[i] != s {
				t.Errorf("seed %d: step %d was\n%v\nand then\n%v", 1000+seed, i, s, b.trace[min(i, len(b.trace)-1)])
				break
			}
		}
	}
}

// simulate runs one seed to its end.
func simulate(t *testing.T, seed uint64, keepTrace bool) (w *world) {
	// A bubble does one thing at a time; with more threads it is handed around.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	scratch := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		w = newWorld(seed, fleetConfig, scratch)
		w.keepTrace = keepTrace
		for i := range w.plan.workers {
			w.supervise(fmt.Sprintf("worker-%d", i+1), worker)
		}
		for i := range w.plan.bridges {
			w.supervise(fmt.Sprintf("bridge-%d", i+1), forwarder)
		}
		w.strike()
		w.users()
		w.await()
		w.running.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.checkEnd()
	})
	return w
}

// await waits until all is quiet, and closes the world.
func (w *world) await() {
	const calm = 3 * time.Second // nothing more comes of what is settled
	time.Sleep(faultsEnd)
	w.people.Wait()
	for w.now() < quietLimit {
		w.mu.Lock()
		done := w.now() > w.late+calm && w.settled()
		w.mu.Unlock()
		if done {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closing = true
	for p := range w.ledger.alive {
		p.kill()
	}
}
