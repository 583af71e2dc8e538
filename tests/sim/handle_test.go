package sim

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

func (c *client) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	return call(ctx, c.p, "nats", "stream", name, jetstream.ErrNoStreamResponse, func() (jetstream.Stream, error) {
		s := c.p.w.streams[name]
		if s == nil {
			return nil, jetstream.ErrStreamNotFound
		}
		return &streamHandle{client: c, name: name, cached: s.info("")}, nil
	})
}

// info describes the stream, and the subjects that filter asks for, if any.
func (s *stream) info(filter string) *jetstream.StreamInfo {
	subjects := map[string]uint64{}
	for _, m := range s.msgs {
		subjects[m.subject]++
	}
	state := jetstream.StreamState{Msgs: uint64(len(s.msgs)), LastSeq: s.last, NumSubjects: uint64(len(subjects)), FirstSeq: s.last + 1}
	if len(s.msgs) > 0 {
		state.FirstSeq, state.FirstTime = s.msgs[0].seq, s.msgs[0].at
	}
	if filter != "" {
		maps.DeleteFunc(subjects, func(subject string, _ uint64) bool { return !matches(filter, subject) })
		state.Subjects = subjects
	}
	return &jetstream.StreamInfo{Config: s.cfg, State: state}
}

// streamHandle is a stream as a client sees it.
type streamHandle struct {
	jetstream.Stream
	client *client
	name   string
	cached *jetstream.StreamInfo
}

func (h *streamHandle) CachedInfo() *jetstream.StreamInfo { return h.cached }

func (h *streamHandle) Info(ctx context.Context, opts ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	o, err := applied(opts)
	if err != nil {
		return nil, err
	}
	return call(ctx, h.client.p, "nats", "info", h.name, jetstream.ErrNoStreamResponse, func() (*jetstream.StreamInfo, error) {
		return h.client.p.w.streams[h.name].info(text(o, "SubjectFilter")), nil
	})
}

func (h *streamHandle) GetLastMsgForSubject(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	return h.client.get(ctx, h.name, subject)
}

// GetMsg returns the message at seq or, with a filter, the first of its subjects
// from there on.
func (h *streamHandle) GetMsg(ctx context.Context, seq uint64, opts ...jetstream.GetMsgOpt) (*jetstream.RawStreamMsg, error) {
	o, err := applied(opts)
	if err != nil {
		return nil, err
	}
	filter := text(o, "NextFor")
	key := h.name + " " + filter + "#" + strconv.FormatUint(seq, 10)
	return call(ctx, h.client.p, "nats", "look", key, jetstream.ErrNoStreamResponse, func() (*jetstream.RawStreamMsg, error) {
		for _, m := range h.client.p.w.streams[h.name].msgs {
			if m.seq == seq && filter == "" || m.seq >= seq && filter != "" && matches(filter, m.subject) {
				return m.raw(), nil
			}
		}
		return nil, jetstream.ErrMsgNotFound
	})
}

func (h *streamHandle) Consumer(ctx context.Context, name string) (jetstream.Consumer, error) {
	return h.client.Consumer(ctx, h.name, name)
}

func (h *streamHandle) DeleteMsg(ctx context.Context, seq uint64) error {
	_, err := call(ctx, h.client.p, "nats", "delete", h.name+"#"+strconv.FormatUint(seq, 10), jetstream.ErrNoStreamResponse, func() (nothing, error) {
		s := h.client.p.w.streams[h.name]
		for _, m := range s.msgs {
			if m.seq == seq {
				s.remove(m, "deleted")
				return nothing{}, nil
			}
		}
		return nothing{}, fmt.Errorf("%w: no message found", jetstream.ErrMsgDeleteUnsuccessful)
	})
	return err
}

// SecureDeleteMsg differs only in what it leaves on the disk.
func (h *streamHandle) SecureDeleteMsg(ctx context.Context, seq uint64) error {
	return h.DeleteMsg(ctx, seq)
}

func (m *stored) raw() *jetstream.RawStreamMsg {
	return &jetstream.RawStreamMsg{Subject: m.subject, Sequence: m.seq, Header: maps.Clone(m.header), Data: m.data, Time: m.at}
}

// get is the last message of subject.
func (c *client) get(ctx context.Context, name, subject string) (*jetstream.RawStreamMsg, error) {
	return call(ctx, c.p, "nats", "get", stableSubject(subject), jetstream.ErrNoStreamResponse, func() (*jetstream.RawStreamMsg, error) {
		if name == bus.StreamExecutions {
			c.p.w.ledger.looked(c.p, subject)
		}
		m := c.p.w.streams[name].lastOf(subject)
		if m == nil {
			return nil, jetstream.ErrMsgNotFound
		}
		return m.raw(), nil
	})
}
