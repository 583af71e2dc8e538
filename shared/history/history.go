// Package history checks what happened against what was promised: nothing that
// was accepted is lost, and no result is committed twice.
//
// It believes two sources only: the outcomes in storage and the events on the
// stream. Records and logs prove nothing.
package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

// Report is what a check found.
type Report struct {
	Accepted   int            `json:"accepted"`
	Succeeded  int            `json:"succeeded"`
	Dead       int            `json:"dead"`
	Cancelled  int            `json:"cancelled"`
	Lost       int            `json:"lost"`    // accepted, and without an outcome
	Doubled    int            `json:"doubled"` // told of more than one committed result
	ByExecutor map[string]int `json:"by_executor"`
	CostUSD    float64        `json:"lambda_usd"`         // of every invocation told of, failed ones included
	Findings   []string       `json:"findings,omitempty"` // each violation in words

	// Waits are the times from acceptance to the start of the attempt that
	// committed, sorted.
	Waits []time.Duration `json:"-"`
}

// Check compares the outcomes and events of the accepted executions.
func Check(ctx context.Context, js jetstream.JetStream, outcomes *outcome.Store, accepted []execution.Key) (Report, error) {
	r := Report{Accepted: len(accepted), ByExecutor: map[string]int{execution.OnWorker: 0, execution.OnLambda: 0}}
	told, cost, err := readEvents(ctx, js)
	if err != nil {
		return r, err
	}
	r.CostUSD = cost
	for _, k := range accepted {
		o, err := outcomes.Read(ctx, k)
		if errors.Is(err, outcome.ErrNone) {
			r.Lost++
			r.Findings = append(r.Findings, fmt.Sprintf("%s: accepted, and it has no outcome", k))
			continue
		}
		if err != nil {
			return r, err
		}
		r.count(o)
		r.compare(o, told[k])
	}
	slices.Sort(r.Waits)
	return r, nil
}

func (r *Report) count(o execution.Outcome) {
	switch o.Kind {
	case execution.Succeeded:
		r.Succeeded++
	case execution.Cancelled:
		r.Cancelled++
	default:
		r.Dead++
	}
	r.ByExecutor[o.Executor]++
	if !o.Enqueued.IsZero() && !o.Started.IsZero() {
		r.Waits = append(r.Waits, max(o.Started.Sub(o.Enqueued), 0))
	}
}

// compare finds an end that was told otherwise than it is stored, or not at all.
func (r *Report) compare(o execution.Outcome, told []execution.EventData) {
	attempts := map[string]bool{}
	for _, e := range told {
		attempts[e.Attempt] = true
		if e.Attempt == o.Attempt && e.State != o.Kind.Terminal() {
			r.Findings = append(r.Findings, fmt.Sprintf("%s: told %s, stored %s", o.Key, e.State, o.Kind))
		}
	}
	if len(attempts) > 1 {
		r.Doubled++
		r.Findings = append(r.Findings, fmt.Sprintf("%s: %d attempts were told to have committed", o.Key, len(attempts)))
	} else if !attempts[o.Attempt] {
		r.Findings = append(r.Findings, fmt.Sprintf("%s: attempt %s is stored, %d others were told of", o.Key, o.Attempt, len(attempts)))
	}
}

// Clean reports whether nothing was found.
func (r Report) Clean() bool { return r.Lost == 0 && r.Doubled == 0 && len(r.Findings) == 0 }

// Percentile returns the p-th percentile (0–100) of sorted durations.
func Percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(float64(len(sorted))*p/100), len(sorted)-1)]
}

// readEvents reads the stream of events once, up to its end as of now. It returns
// the terminal ones by execution, and what all invocations cost.
func readEvents(ctx context.Context, js jetstream.JetStream) (told map[execution.Key][]execution.EventData, cost float64, err error) {
	stream, err := js.Stream(ctx, bus.StreamEvents)
	if err != nil {
		return nil, 0, fmt.Errorf("read events: %w", err)
	}
	told = map[execution.Key][]execution.EventData{}
	if stream.CachedInfo().State.Msgs == 0 {
		return told, 0, nil
	}
	last := stream.CachedInfo().State.LastSeq
	consumer, err := js.OrderedConsumer(ctx, bus.StreamEvents, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, 0, fmt.Errorf("read events: %w", err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, 0, fmt.Errorf("read events: %w", err)
	}
	defer messages.Stop()
	seen := map[string]bool{}
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, 0, fmt.Errorf("read events: %w", err)
		}
		var e execution.Event
		if err := json.Unmarshal(msg.Data(), &e); err != nil {
			return nil, 0, fmt.Errorf("read events: %w", err)
		}
		if !seen[e.ID] { // the server's own deduplication ends after a while
			seen[e.ID] = true
			if e.Data.State.Terminal() {
				told[e.Data.Key] = append(told[e.Data.Key], e.Data)
			}
			if e.Data.Usage != nil {
				cost += e.Data.Usage.CostUSD
			}
		}
		if meta, err := msg.Metadata(); err != nil || meta.Sequence.Stream >= last {
			return told, cost, err
		}
	}
}
