package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sagefleet/sagefleet/shared/queue"
)

// Slots has the slots of a consumer served.
func (m *Monitor) Slots(usage func() queue.Usage) {
	m.Register(Values{Metrics: []Metric{Slots, SlotsBusy}, Tell: func(to chan<- prometheus.Metric) {
		u := usage()
		to <- Slots.Is(float64(u.Slots), "fleet")
		to <- SlotsBusy.Is(float64(u.Busy), "fleet")
		if u.LocalSlots > 0 {
			to <- Slots.Is(float64(u.LocalSlots), "local")
			to <- SlotsBusy.Is(float64(u.LocalBusy), "local")
		}
	}})
}
