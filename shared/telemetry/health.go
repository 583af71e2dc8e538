package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
)

// health knows whether a component can do its work. It is what /readyz serves.
type health struct {
	mu       sync.Mutex
	checks   []check
	draining bool
}

// check is one thing that must be so for a component to be ready.
type check struct {
	name string
	fine func(context.Context) error
}

// Check has the component be ready only while fine returns nil. It is asked when somebody
// asks for the readiness or for metrics, and has 2 s.
func (m *Monitor) Check(name string, fine func(context.Context) error) {
	m.health.mu.Lock()
	defer m.health.mu.Unlock()
	m.health.checks = append(m.health.checks, check{name, fine})
}

// CheckConnection has the component be ready only while nc is connected.
func (m *Monitor) CheckConnection(nc *nats.Conn) {
	m.Check("nats", func(context.Context) error {
		if nc.IsConnected() {
			return nil
		}
		if err := nc.LastError(); err != nil {
			return fmt.Errorf("not connected: %w", err)
		}
		return errors.New("not connected")
	})
}

func (h *health) drain() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.draining = true
}

// finding is what came of a check.
type finding struct {
	name string
	err  error
}

const checkPatience = 2 * time.Second

// look makes all checks at once.
func (h *health) look(ctx context.Context) (all []finding, draining bool) {
	h.mu.Lock()
	checks, draining := h.checks, h.draining
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	all = make([]finding, len(checks))
	var looking sync.WaitGroup
	for i, c := range checks {
		looking.Go(func() { all[i] = finding{c.name, c.fine(ctx)} })
	}
	looking.Wait()
	return all, draining
}

// ServeHTTP answers 200 when the component can do its work, and 503 with what is wrong
// when it can't, or takes nothing new any more.
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	all, draining := h.look(r.Context())
	text, status := "ready\n", http.StatusOK
	for _, f := range all {
		if f.err != nil {
			text, status = "not ready\n", http.StatusServiceUnavailable
		}
	}
	if draining {
		text, status = "draining\n", http.StatusServiceUnavailable
	}
	for _, f := range all {
		if f.err == nil {
			text += fmt.Sprintf("%-8s ok\n", f.name)
		} else {
			text += fmt.Sprintf("%-8s %s\n", f.name, f.err)
		}
	}
	w.Header().Set("Content-Type", plainText)
	w.WriteHeader(status)
	_, _ = fmt.Fprint(w, text)
}

// Describe implements [prometheus.Collector].
func (*health) Describe(to chan<- *prometheus.Desc) {
	to <- Ready.Desc()
	to <- Draining.Desc()
}

// Collect implements [prometheus.Collector].
func (h *health) Collect(to chan<- prometheus.Metric) {
	all, draining := h.look(context.Background())
	for _, f := range all {
		to <- Ready.Is(Truth(f.err == nil), f.name)
	}
	to <- Draining.Is(Truth(draining))
}

// Truth is 1 for true.
func Truth(so bool) float64 {
	if so {
		return 1
	}
	return 0
}
