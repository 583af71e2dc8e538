package telemetry

// NoticeTried counts a try to tell somebody outside the fleet something.
func (m *Monitor) NoticeTried(kind, channel, end string) {
	m.notices.WithLabelValues(kind, channel, end).Inc()
}
