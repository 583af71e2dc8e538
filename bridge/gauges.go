package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// gauges serve what the bridge knows to Prometheus, and through it to autoscalers of
// the workers.
type gauges struct {
	bridge *Bridge
	listen string
}

func newGauges(b *Bridge, listen string) *gauges { return &gauges{bridge: b, listen: listen} }

// gauge is one metric and what it is now.
type gauge struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(decision, *counts) float64
}

func newGauge(name, help string, kind prometheus.ValueType, of func(decision, *counts) float64) gauge {
	return gauge{prometheus.NewDesc("sagefleet_"+name, help, nil, nil), kind, of}
}

var allGauges = []gauge{
	newGauge("local_backlog", "Executions that workers have or will have: waiting and in flight, without those that bridges hold. Scale workers by it.",
		prometheus.GaugeValue, func(d decision, _ *counts) float64 { return float64(localBacklog(d)) }),
	newGauge("pending", "Executions that nobody has yet.", prometheus.GaugeValue,
		func(d decision, _ *counts) float64 { return float64(d.Inputs.Pending) }),
	newGauge("delegated", "Executions that bridges hold.", prometheus.GaugeValue,
		func(d decision, _ *counts) float64 { return float64(d.Inputs.Delegated) }),
	newGauge("head_age_seconds", "For how long the oldest waiting execution has waited.", prometheus.GaugeValue,
		func(d decision, _ *counts) float64 { return d.Inputs.HeadAge.Seconds() }),
	newGauge("slots", "Slots of the workers that are there.", prometheus.GaugeValue,
		func(d decision, _ *counts) float64 { return float64(d.Inputs.Slots) }),
	newGauge("busy_slots", "Of them, those that execute something.", prometheus.GaugeValue,
		func(d decision, _ *counts) float64 { return float64(d.Inputs.Busy) }),
	newGauge("min_pending", "How many must wait for this bridge to take one; 0 when it takes none.", prometheus.GaugeValue,
		func(d decision, _ *counts) float64 {
			if d.closed != "" {
				return 0
			}
			return float64(d.MinPending)
		}),
	newGauge("invocations_total", "Invocations that this bridge began.", prometheus.CounterValue,
		func(_ decision, c *counts) float64 { return float64(c.delegated) }),
	newGauge("returned_total", "Executions that it put back.", prometheus.CounterValue,
		func(_ decision, c *counts) float64 { return float64(c.returned) }),
	newGauge("throttled_total", "Invocations that were refused for want of capacity.", prometheus.CounterValue,
		func(_ decision, c *counts) float64 { return float64(c.throttled) }),
	newGauge("residue_total", "Invocations begun although a worker had a free slot.", prometheus.CounterValue,
		func(_ decision, c *counts) float64 { return float64(c.residue) }),
}

// localBacklog is what an autoscaler of workers has to count: what bridges hold needs
// no worker.
func localBacklog(d decision) int {
	return max(0, d.Inputs.Pending+d.Inputs.AckPending-d.Inputs.Delegated)
}

// Describe implements [prometheus.Collector].
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, one := range allGauges {
		to <- one.desc
	}
}

// stale is how long after the queue last answered its numbers are still told. An
// autoscaler does nothing when it is told nothing, which is better than something
// wrong.
const stale = 10 * time.Second

// Collect implements [prometheus.Collector].
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	d := g.bridge.steerer.current()
	g.bridge.counts.mu.Lock()
	defer g.bridge.counts.mu.Unlock()
	for _, one := range allGauges {
		if one.kind == prometheus.GaugeValue && time.Since(d.looked) > stale {
			continue
		}
		to <- prometheus.MustNewConstMetric(one.desc, one.kind, one.of(d, g.bridge.counts))
	}
}

// Metrics is what METRICS_LISTEN serves.
func (b *Bridge) Metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(b.gauges)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// run serves until ctx ends, if an address is set.
func (g *gauges) run(ctx context.Context) error {
	if g.listen == "" {
		<-ctx.Done()
		return nil
	}
	var listener net.ListenConfig
	l, err := listener.Listen(ctx, "tcp", g.listen)
	if err != nil {
		return fmt.Errorf("METRICS_LISTEN: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.bridge.Metrics())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	zerolog.Ctx(ctx).Info().Stringer("address", l.Addr()).Msg("metrics are served")
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
