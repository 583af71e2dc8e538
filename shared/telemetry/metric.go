package telemetry

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind is how a metric's values are to be read.
type Kind string

// The kinds of metrics, as Prometheus names them.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Metric is one name under which something is served; [Catalog] has all of them.
type Metric struct {
	Name    string
	Kind    Kind
	Labels  []string
	Buckets []float64 // upper bounds, of a histogram
	Help    string
	By      string // the components that serve it
}

// Desc describes the metric to a collector.
func (m Metric) Desc() *prometheus.Desc { return prometheus.NewDesc(m.Name, m.Help, m.Labels, nil) }

// Is says what the metric is now, to a collector. The labels' values come in the order
// of Labels.
func (m Metric) Is(value float64, labels ...string) prometheus.Metric {
	kind := prometheus.GaugeValue
	if m.Kind == Counter {
		kind = prometheus.CounterValue
	}
	return prometheus.MustNewConstMetric(m.Desc(), kind, value, labels...)
}

func (m Metric) counters() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.Labels)
}

func (m Metric) gauges() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, m.Labels)
}

func (m Metric) histograms() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.Name, Help: m.Help, Buckets: m.Buckets}, m.Labels)
}

// Values says what metrics are now, whenever it is asked.
type Values struct {
	Metrics []Metric
	Tell    func(to chan<- prometheus.Metric) // may leave out what isn't known
}

// Describe implements [prometheus.Collector].
func (v Values) Describe(to chan<- *prometheus.Desc) {
	for _, m := range v.Metrics {
		to <- m.Desc()
	}
}

// Collect implements [prometheus.Collector].
func (v Values) Collect(to chan<- prometheus.Metric) { v.Tell(to) }

// Other is the label's value of everything beyond a label's limit.
const Other = "other"

// known bounds how many values a label may have that comes from outside: each is a time
// series for ever.
type known struct {
	limit int

	mu   sync.RWMutex
	seen map[string]bool
}

func newKnown(limit int) *known { return &known{limit: limit, seen: map[string]bool{}} }

// label returns value, or Other when it would be one too many.
func (k *known) label(value string) string {
	k.mu.RLock()
	seen, full := k.seen[value], len(k.seen) >= k.limit
	k.mu.RUnlock()
	switch {
	case seen:
		return value
	case full:
		return Other
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.seen) >= k.limit && !k.seen[value] {
		return Other
	}
	k.seen[value] = true
	return value
}
