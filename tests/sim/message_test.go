package sim

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// message is one delivery, at the client.
type message struct {
	jetstream.Msg
	client  *client
	server  *consumer
	m       *stored
	try     int
	pending uint64

	mu      sync.Mutex
	settled bool
}

func (m *message) Data() []byte         { return m.m.data }
func (m *message) Headers() nats.Header { return maps.Clone(m.m.header) }
func (m *message) Subject() string      { return m.m.subject }
func (m *message) Reply() string        { return "$JS.ACK." + m.key() }

func (m *message) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{
		Sequence:     jetstream.SequencePair{Stream: m.m.seq},
		NumDelivered: uint64(m.try), NumPending: m.pending, Timestamp: m.m.at,
		Stream: m.server.stream.cfg.Name, Consumer: m.server.cfg.Name,
	}, nil
}

func (m *message) key() string { return fmt.Sprintf("%s#%d/%d", m.m.subject, m.m.seq, m.try) }

func (m *message) DoubleAck(ctx context.Context) error {
	if m.isSettled() {
		return jetstream.ErrMsgAlreadyAckd
	}
	_, err := call(ctx, m.client.p, "nats", "ack", m.key(), nats.ErrNoResponders, func() (nothing, error) {
		m.server.ack(m.m.seq)
		return nothing{}, nil
	})
	if err == nil {
		m.settle()
	}
	return err
}

func (m *message) Ack() error { return m.final("ack", func() { m.server.ack(m.m.seq) }) }
func (m *message) Nak() error { return m.final("nak", func() { m.server.nak(m.m.seq, 0) }) }

func (m *message) NakWithDelay(delay time.Duration) error {
	return m.final("nak", func() { m.server.nak(m.m.seq, delay) })
}

func (m *message) InProgress() error {
	if m.isSettled() {
		return jetstream.ErrMsgAlreadyAckd
	}
	return m.client.p.send("nats", "progress", m.key(), func() { m.server.progress(m.m.seq) })
}

// final tells the server once what becomes of the message, without an answer.
func (m *message) final(what string, apply func()) error {
	if m.isSettled() {
		return jetstream.ErrMsgAlreadyAckd
	}
	err := m.client.p.send("nats", what, m.key(), apply)
	if err == nil {
		m.settle()
	}
	return err
}

func (m *message) isSettled() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.settled
}

func (m *message) settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settled = true
}
