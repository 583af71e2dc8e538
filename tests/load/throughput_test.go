package load

import (
	"fmt"
	"testing"
	"time"
)

// Sleeping executions leave the cores idle, so only the fleet's own overhead can
// keep workers from scaling.
func TestWorkersScale(t *testing.T) {
	const takes, slots, perWorker = 200 * time.Millisecond, 2, 40
	measure := func(workers int) float64 {
		r := newRig(t)
		n := perWorker * workers
		r.publish(t, 0, n)
		began := time.Now()
		for i := range workers {
			r.worker(t, fmt.Sprintf("w%d", i), slots, takes)
		}
		r.drained(t)
		return float64(n) / time.Since(began).Seconds()
	}
	awaitQuiet(t)
	one := measure(1)
	for workers, want := range map[int]float64{2: 1.95, 4: 3.8} {
		var best float64
		for range quietTries {
			awaitQuiet(t)
			got := measure(workers) / one
			t.Logf("%d workers: %.2f times one worker's %.1f executions/s", workers, got, one)
			if best = max(best, got); best >= want {
				break
			}
		}
		if best < want {
			t.Errorf("%d workers do %.2f times what one does, want %.2f", workers, best, want)
		}
	}
}
