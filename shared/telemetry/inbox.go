package telemetry

import "github.com/prometheus/client_golang/prometheus"

// inbox counts the files of folders that are watched.
type inbox struct {
	mailboxes *known
	files     *prometheus.CounterVec
	waiting   *prometheus.GaugeVec
}

func newInbox(mailboxes int) *inbox {
	return &inbox{mailboxes: newKnown(mailboxes), files: InboxFiles.counters(), waiting: InboxWaiting.gauges()}
}

// FileSubmitted counts a file that was accepted.
func (m *Monitor) FileSubmitted(mailbox string) { m.inbox.ended(mailbox, "submitted") }

// FileRejected counts a file that was refused.
func (m *Monitor) FileRejected(mailbox string) { m.inbox.ended(mailbox, "rejected") }

func (i *inbox) ended(mailbox, end string) {
	i.files.WithLabelValues(i.mailboxes.label(mailbox), end).Inc()
}

// FilesWaiting says how many files of a mailbox are there that were neither. Those of
// mailboxes beyond the limit aren't told: there is no one number of them.
func (m *Monitor) FilesWaiting(mailbox string, n int) {
	if label := m.inbox.mailboxes.label(mailbox); label != Other {
		m.inbox.waiting.WithLabelValues(label).Set(float64(n))
	}
}
