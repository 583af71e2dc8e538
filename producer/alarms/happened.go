package alarms

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// happening reads what happened from a stream. Its place there is kept beside the incidents,
// and written after them: a consumer of the server's would have to be told before or after,
// so that a crash loses or repeats a count. Incidents know the place of what they count.
type happening struct {
	js     jetstream.JetStream
	kv     jetstream.KeyValue
	stream string
	place  uint64
	read   func(ctx context.Context, after, end uint64) ([]finding, error)
}

func (h *happening) key() string { return "place." + h.stream }

// open finds out how far others were; the first one begins at the end, because whoever
// turns alarms on knows what is over.
func (h *happening) open(ctx context.Context) error {
	entry, err := h.kv.Get(ctx, h.key())
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		if h.place, err = h.end(ctx); err != nil {
			return err
		}
		return h.note(ctx)
	case err != nil:
		return fmt.Errorf("read place in %s: %w", h.stream, err)
	}
	return json.Unmarshal(entry.Value(), &h.place)
}

func (h *happening) end(ctx context.Context) (uint64, error) {
	s, err := h.js.Stream(ctx, h.stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", h.stream, err)
	}
	return s.CachedInfo().State.LastSeq, nil
}

// look returns what happened since, and the place to note when that is kept.
func (h *happening) look(ctx context.Context) (all []finding, end uint64, err error) {
	end, err = h.end(ctx)
	if err != nil || end == h.place {
		return nil, end, err
	}
	after := h.place
	if end < after { // it was made anew
		after = 0
	}
	all, err = h.read(ctx, after, end)
	slices.SortStableFunc(all, func(a, b finding) int { return cmp.Compare(a.place, b.place) })
	return all, end, err
}

// reached notes how far everything is kept.
func (h *happening) reached(ctx context.Context, end uint64) error {
	if end == h.place {
		return nil
	}
	h.place = end
	return h.note(ctx)
}

// note writes the place whatever is there: if two lead for a moment, the incidents have
// them find out.
func (h *happening) note(ctx context.Context) error {
	data, err := json.Marshal(h.place)
	if err == nil {
		_, err = h.kv.Put(ctx, h.key(), data)
	}
	if err != nil {
		return fmt.Errorf("note place in %s: %w", h.stream, err)
	}
	return nil
}

// letters are dead letters that nobody has redriven.
func letters(js jetstream.JetStream) func(context.Context, uint64, uint64) ([]finding, error) {
	return func(ctx context.Context, after, end uint64) (all []finding, err error) {
		for l, err := range queue.Letters(ctx, js, queue.LetterFilter{After: after, All: true}) {
			if err != nil {
				return all, err
			}
			if l.Position > end {
				break
			}
			if l.Redriven != "" {
				continue
			}
			all = append(all, finding{subject: l.Mailbox + "/" + l.Code, at: l.Stored, place: l.Position,
				Facts: Facts{Names: []string{l.Name}, Note: cut(l.Reason)}})
		}
		return all, nil
	}
}

var errEnd = errors.New("the end")

// late are executions that ended after their deadline.
func late(js jetstream.JetStream) func(context.Context, uint64, uint64) ([]finding, error) {
	return func(ctx context.Context, after, end uint64) (all []finding, err error) {
		for _, kind := range []string{execution.EventSucceeded, execution.EventDead} {
			err := bus.Scan(ctx, js, bus.StreamEvents, bus.Scope{Subject: bus.SubjectEvent("*", kind), From: after + 1}, func(raw *jetstream.RawStreamMsg) error {
				if raw.Sequence > end {
					return errEnd
				}
				var e execution.Event
				if json.Unmarshal(raw.Data, &e) != nil || e.Data.Validate() != nil || e.Data.Asked == nil {
					return nil
				}
				by := e.Data.Finished.Sub(e.Data.Asked.Deadline)
				if e.Data.Asked.Deadline.IsZero() || by <= 0 {
					return nil
				}
				all = append(all, finding{subject: e.Data.Mailbox, at: raw.Time, place: raw.Sequence,
					Facts: Facts{Names: []string{e.Data.ID}, Note: fmt.Sprintf("%s: +%v", e.Data.ID, by.Round(time.Millisecond))}})
				return nil
			})
			if err != nil && !errors.Is(err, errEnd) {
				return all, err
			}
		}
		return all, nil
	}
}

// cut bounds what somebody else wrote.
func cut(text string) string {
	const most = 300
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// happenings are the sources of what happens, by rule.
func happenings(js jetstream.JetStream, kv jetstream.KeyValue) map[string]*happening {
	return map[string]*happening{
		RuleDead:     {js: js, kv: kv, stream: bus.StreamDead, read: letters(js)},
		RuleDeadline: {js: js, kv: kv, stream: bus.StreamEvents, read: late(js)},
	}
}
