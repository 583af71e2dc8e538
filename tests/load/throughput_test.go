package load

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// BenchmarkProtocol is one execution through the whole protocol with no work in
// it: outcome read, lock, record, outcome written and synced, record and events,
// double acknowledgement. Beside it stands the ceiling, measured in the same run:
// the same messages only consumed and double-acknowledged.
func BenchmarkProtocol(b *testing.B) {
	for _, slots := range []int{8, 32, 128} {
		b.Run(fmt.Sprintf("slots=%d", slots), func(b *testing.B) {
			r := newRig(b)
			r.publish(b, 0, b.N)
			b.ResetTimer()
			r.worker(b, "bench", slots, 0)
			r.drained(b)
			b.StopTimer()
			rate := float64(b.N) / b.Elapsed().Seconds()
			top := ceiling(b)
			b.ReportMetric(rate, "executions/s")
			b.ReportMetric(top, "ceiling/s")
			b.ReportMetric(100*rate/top, "%-of-ceiling")
		})
	}
}

// ceiling is how many messages per second the same server hands out and takes
// acknowledgements for.
func ceiling(b *testing.B) float64 {
	r := newRig(b)
	r.publish(b, 0, b.N)
	consumer, err := r.js.Consumer(b.Context(), bus.StreamExecutions, bus.ConsumerFleet)
	if err != nil {
		b.Fatal(err)
	}
	acked := make(chan error, b.N)
	limit := make(chan struct{}, 64)
	began := time.Now()
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		limit <- struct{}{}
		go func() {
			acked <- m.DoubleAck(b.Context())
			<-limit
		}()
	}, jetstream.PullPriorityGroup(bus.GroupFleet))
	if err != nil {
		b.Fatal(err)
	}
	defer consuming.Stop()
	for range b.N {
		if err := <-acked; err != nil {
			b.Fatal(err)
		}
	}
	return float64(b.N) / time.Since(began).Seconds()
}

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
