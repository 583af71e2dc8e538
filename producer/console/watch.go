package console

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/queue"
)

const (
	watchEvery = time.Second
	watchKept  = 300 // samples: the last five minutes
)

// watch follows the fleet for all who look at it.
type watch struct {
	mu      sync.Mutex
	fleet   *heartbeat.Fleet
	samples []sample
	err     error // of the last try; what is known is older then
}

// sample is the fleet at one moment.
type sample struct {
	At      time.Time
	Backlog queue.Backlog
	Total   heartbeat.Total
}

func newWatch() *watch { return &watch{} }

// run takes a sample each second, until ctx ends.
func (w *watch) run(ctx context.Context, js jetstream.JetStream) error {
	kv, err := js.KeyValue(ctx, bus.BucketFleet)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", bus.BucketFleet, err)
	}
	fleet := heartbeat.NewFleet(kv, nil)
	w.mu.Lock()
	w.fleet = fleet
	w.mu.Unlock()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return fleet.Run(ctx) })
	group.Go(func() error {
		next := time.NewTicker(watchEvery)
		defer next.Stop()
		for {
			w.take(ctx, js, fleet)
			select {
			case <-ctx.Done():
				return nil
			case <-next.C:
			}
		}
	})
	return group.Wait()
}

func (w *watch) take(ctx context.Context, js jetstream.JetStream, fleet *heartbeat.Fleet) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	backlog, err := queue.Lag(ctx, js)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil && w.err == nil && ctx.Err() == nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("queue not counted")
	}
	if w.err = err; err != nil {
		return
	}
	if len(w.samples) == watchKept {
		w.samples = append(w.samples[:0], w.samples[1:]...)
	}
	w.samples = append(w.samples, sample{time.Now(), backlog, fleet.Total("")})
}

// now is the last sample; the zero one before there is any.
func (w *watch) now() sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == 0 {
		return sample{}
	}
	return w.samples[len(w.samples)-1]
}

// members are who is in the fleet.
func (w *watch) members() []heartbeat.Member {
	w.mu.Lock()
	fleet := w.fleet
	w.mu.Unlock()
	if fleet == nil {
		return nil
	}
	return fleet.Members()
}

// recent are numbers of the samples, the newest last.
func (w *watch) recent(of func(sample) float64) []float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	values := make([]float64, len(w.samples))
	for i, s := range w.samples {
		values[i] = of(s)
	}
	return values
}
