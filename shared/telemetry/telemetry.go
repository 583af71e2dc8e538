// Package telemetry shows how a component is doing: metrics for Prometheus, whether it
// lives and is ready, and traces.
//
// It watches from outside: components tell it what happens through interfaces that they
// declare themselves, and work the same without it. The Lambda must not link it; its own
// metrics are lines of its log.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// Config says where a component shows how it is doing.
type Config struct {
	// Listen is where Prometheus metrics are served at /metrics, that the process lives at
	// /healthz, and whether it can do its work at /readyz, such as :9090; nowhere when empty.
	Listen string `env:"METRICS_LISTEN"`
	// Mailboxes is how many mailboxes metrics tell apart; those heard of later count together
	// as other.
	Mailboxes int `env:"METRICS_MAILBOXES" envDefault:"50"`

	Traces Traces
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	return errors.Join(c.validateMetrics(), c.Traces.Validate())
}

func (c Config) validateMetrics() error {
	if c.Mailboxes < 0 {
		return settings.Invalid("METRICS_MAILBOXES", c.Mailboxes, "0 or more")
	}
	if c.Listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return settings.Invalid("METRICS_LISTEN", c.Listen, "a port such as :9090, or an address and a port such as 127.0.0.1:9090")
	}
	return nil
}

// Monitor shows how one component is doing. It is safe for concurrent use.
type Monitor struct {
	cfg        Config
	registry   *prometheus.Registry
	health     *health
	executions *executions
	stores     *stores
	inbox      *inbox
	notices    *prometheus.CounterVec
}

// New returns a Monitor of a component, such as worker, in this process.
func New(component string, cfg Config) *Monitor {
	m := &Monitor{cfg: cfg, registry: prometheus.NewRegistry(), health: &health{}}
	info := BuildInfo.gauges()
	info.WithLabelValues(component, heartbeat.Version(), runtime.Version()).Set(1)
	m.executions, m.stores = newExecutions(cfg.Mailboxes), newStores()
	m.inbox, m.notices = newInbox(cfg.Mailboxes), Notices.counters()
	m.Register(info, m.health, m.executions, m.stores, m.inbox.files, m.inbox.waiting, m.notices, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register has cs served too. It panics when one serves a name that another has: that
// is a mistake in the program.
func (m *Monitor) Register(cs ...prometheus.Collector) { m.registry.MustRegister(cs...) }

// Gatherer collects what would be served now.
func (m *Monitor) Gatherer() prometheus.Gatherer { return m.registry }

// Handler serves /metrics, /healthz and /readyz.
func (m *Monitor) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", plainText)
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /readyz", m.health)
	return mux
}

// Around runs work and serves what METRICS_LISTEN asks for from before it begins until
// after it has ended: while it drains, /readyz says so. It returns work's error.
func (m *Monitor) Around(ctx context.Context, work func(context.Context) error) error {
	defer context.AfterFunc(ctx, m.health.drain)()
	if m.cfg.Listen == "" {
		return work(ctx)
	}
	var listener net.ListenConfig
	l, err := listener.Listen(ctx, "tcp", m.cfg.Listen)
	if err != nil {
		return fmt.Errorf("METRICS_LISTEN: %w", err)
	}
	server := &http.Server{Handler: m.Handler(), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	zerolog.Ctx(ctx).Info().Stringer("address", l.Addr()).Msg("metrics are served")
	err = work(ctx)
	_ = server.Close()
	if broken := <-served; !errors.Is(broken, http.ErrServerClosed) {
		return errors.Join(err, fmt.Errorf("serve metrics: %w", broken))
	}
	return err
}

const plainText = "text/plain; charset=utf-8"
