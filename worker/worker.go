// Package worker takes executions off the queue and carries them out on this
// machine. Workers are stateless and identical: scale them by running more.
package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/worker/cache"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// Config is everything a worker can be told.
type Config struct {
	Slots    queue.Slots
	Queue    queue.Config
	Guard    guard.Config
	Executor executor.Config
	Engine   processor.Config
	Cache    cache.Config
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	return errors.Join(c.Slots.Validate(), c.Queue.Validate(), c.Guard.Validate(), c.Executor.Validate(), c.Engine.Validate(), c.Cache.Validate())
}

// Worker consumes the queue.
type Worker struct {
	consumer *queue.Consumer
	guard    *guard.Guard
	pulse    *pulse
	beats    *heartbeat.Sender
}

// Watcher is told what comes of the executions that the worker has; see package telemetry.
type Watcher interface {
	guard.Watcher
	queue.Watcher
}

// Watch has watcher told. It is called before Run.
func (w *Worker) Watch(watcher Watcher) {
	w.consumer.Watch(watcher)
	w.guard.Watch(watcher)
}

// Bound reports whether the worker can take messages off the queue.
func (w *Worker) Bound(ctx context.Context) error { return w.consumer.Bound(ctx) }

// Usage is what the worker's slots do.
func (w *Worker) Usage() queue.Usage { return w.consumer.Usage() }

// New returns a Worker called host over a provisioned server. It opens the
// fleet's buckets and starts nothing.
func New(ctx context.Context, js jetstream.JetStream, objects storage.Store, fleet bus.Config, host string, cfg Config) (*Worker, error) {
	work := executor.New(objects, NewProcessor(cfg.Engine, cfg.Executor.Scratch, cache.New(objects, cfg.Cache)), execution.OnWorker, host, cfg.Executor)
	who := guard.Identity{Executor: execution.OnWorker, Host: host}
	p := newPulse(host)
	g, err := guard.Open(ctx, js, fleet, outcome.New(objects), p.timed(traced(work)), who, cfg.Guard)
	if err != nil {
		return nil, fmt.Errorf("open worker: %w", err)
	}
	members, err := js.KeyValue(ctx, bus.BucketFleet)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketFleet, err)
	}
	return &Worker{consumer: queue.NewWorker(js, fleet.AckWait, cfg.Slots, cfg.Queue), guard: g,
		pulse: p, beats: heartbeat.NewSender(js, members)}, nil
}

// NewProcessor returns the engine that cfg names. An external one works in
// scratch, or in the system's temporary directory when that is empty. Only our own
// keeps findings: nobody knows what those of another depend on.
func NewProcessor(cfg processor.Config, scratch string, findings *cache.Cache) executor.Processor {
	if cfg.Engine == processor.EngineExec {
		return processor.NewExec(cfg, scratch)
	}
	return processor.Native{Cache: findings}
}

// Run works until ctx ends and then drains. The fleet hears from it until it is done.
func (w *Worker) Run(ctx context.Context) error {
	zerolog.Ctx(ctx).Info().Msg("worker takes executions")
	living, stop := context.WithCancel(context.WithoutCancel(ctx))
	var beating sync.WaitGroup
	beating.Go(func() {
		beat := func() heartbeat.Beat { return w.pulse.beat(living, w.consumer.Usage(), ctx.Err() != nil) }
		_ = w.beats.Run(living, beat, w.consumer.Changed()) // nil when living ends
	})
	defer beating.Wait()
	defer stop()
	return w.consumer.Run(ctx, w.guard)
}
