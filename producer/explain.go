package producer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// Explanation is where an execution stands, and how it came there.
type Explanation struct {
	Status
	Steps []Step `json:"steps"` // in the order in which they were told
}

// Step is one event of an execution.
type Step struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // of the event, such as started or returned
	Host string    `json:"host,omitempty"`
	execution.EventData
}

// Explain tells where the last generation of an execution stands and what happened to
// all of them, as far as the events are still kept.
func (t *Tracker) Explain(ctx context.Context, mailbox, id string) (Explanation, error) {
	s, err := t.Status(ctx, mailbox, id)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Status: s}
	steps, err := t.steps(ctx, s)
	e.Steps = WithStarts(steps)
	return e, err
}

// WithStarts adds the starts that were not told because the end followed soon, and says
// when, where and why it started. Steps are in the order in which they were told.
func WithStarts(steps []Step) []Step {
	told := map[uint64]bool{}
	for _, s := range steps {
		told[s.Token] = told[s.Token] || s.Kind == execution.EventStarted
	}
	var all []Step
	for _, s := range steps {
		if s.Kind == execution.EventSucceeded && s.Executor == execution.OnWorker && !told[s.Token] {
			told[s.Token] = true
			all = append(all, Step{At: s.Started, Kind: execution.EventStarted, Host: cmp.Or(s.EventData.Host, s.Host),
				EventData: execution.EventData{Key: s.Key, State: execution.Running, Attempt: s.Attempt, Number: s.Number, Token: s.Token,
					Executor: s.Executor, Why: s.Why, Enqueued: s.Enqueued, Started: s.Started}})
		}
		all = append(all, s)
	}
	return all
}

// steps reads the events of an execution. It reads those of its mailbox since it was
// accepted: nobody can ask the server for those of one execution.
func (t *Tracker) steps(ctx context.Context, s Status) ([]Step, error) {
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: []string{bus.SubjectEvent(s.Mailbox, "*")}}
	if !s.Enqueued.IsZero() && s.Generation == 1 {
		const clocks = time.Minute // may differ by that much
		since := s.Enqueued.Add(-clocks)
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &since
	}
	consumer, err := t.js.OrderedConsumer(ctx, bus.StreamEvents, cfg)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	if consumer.CachedInfo().NumPending == 0 {
		return nil, nil
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer messages.Stop()
	var steps []Step
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(5 * time.Second))
		if errors.Is(err, nats.ErrTimeout) { // what was there has expired meanwhile
			return steps, nil
		}
		if err != nil {
			return steps, fmt.Errorf("read events: %w", err)
		}
		var e execution.Event
		if json.Unmarshal(msg.Data(), &e) == nil && e.Data.Key.ID == s.ID {
			kind := msg.Subject()[strings.LastIndexByte(msg.Subject(), '.')+1:]
			steps = append(steps, Step{At: e.Time, Kind: kind, Host: path.Base(e.Source), EventData: e.Data})
		}
		if meta, err := msg.Metadata(); err != nil || meta.NumPending == 0 {
			return steps, err
		}
	}
}
