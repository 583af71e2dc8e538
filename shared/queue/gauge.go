package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// Depth is what an overflow policy wants to know of the queue.
type Depth struct {
	Pending    int           // nobody has it yet
	AckPending int           // with workers and bridges
	HeadAge    time.Duration // since the oldest that waits was accepted; 0 when none waits

	// Of the oldest, as its request says; 0 where it doesn't.
	HeadBytes    int64         // of its files together
	HeadDeadline time.Duration // after it was accepted
}

// Gauge measures how deep the queue is.
type Gauge struct {
	consumer jetstream.Consumer
	stream   jetstream.Stream
	filter   string
}

// OpenGauge returns a Gauge of the queue that workers and bridges share.
func OpenGauge(ctx context.Context, js jetstream.JetStream) (*Gauge, error) {
	return openGauge(ctx, js, bus.ConsumerFleet, bus.ExecFilter)
}

// OpenLocalGauge returns a Gauge of what no Lambda may take.
func OpenLocalGauge(ctx context.Context, js jetstream.JetStream) (*Gauge, error) {
	return openGauge(ctx, js, bus.ConsumerLocal, bus.LocalFilter)
}

func openGauge(ctx context.Context, js jetstream.JetStream, name, filter string) (*Gauge, error) {
	consumer, err := js.Consumer(ctx, bus.StreamExecutions, name)
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", name, err)
	}
	stream, err := js.Stream(ctx, bus.StreamExecutions)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", bus.StreamExecutions, err)
	}
	return &Gauge{consumer, stream, filter}, nil
}

// Measure asks the server how much waits, and since when the head does.
func (g *Gauge) Measure(ctx context.Context) (Depth, error) {
	info, err := g.consumer.Info(ctx)
	if err != nil {
		return Depth{}, fmt.Errorf("consumer of %s: %w", g.filter, err)
	}
	d := Depth{Pending: int(info.NumPending), AckPending: info.NumAckPending} //nolint:gosec // far below 2^63
	if d.Pending == 0 {
		return d, nil
	}
	head, err := g.stream.GetMsg(ctx, info.Delivered.Stream+1, jetstream.WithGetMsgSubject(g.filter))
	if errors.Is(err, jetstream.ErrMsgNotFound) { // it was taken meanwhile
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("head of %s: %w", bus.StreamExecutions, err)
	}
	accepted := acceptedAt(head.Header.Get(headerEnqueued), head.Time)
	d.HeadAge = max(time.Since(accepted), time.Millisecond)
	d.HeadBytes, d.HeadDeadline = claims(head.Data, accepted)
	return d, nil
}

// claims is what a request says of itself. Nobody has checked it: it is good for an
// estimate.
func claims(data []byte, accepted time.Time) (bytes int64, deadline time.Duration) {
	var request struct {
		Inputs   []execution.Input `json:"input_files"`
		Deadline time.Time         `json:"deadline"`
	}
	if json.Unmarshal(data, &request) != nil {
		return 0, 0
	}
	if !request.Deadline.IsZero() {
		deadline = max(request.Deadline.Sub(accepted), time.Millisecond)
	}
	return execution.Request{Inputs: request.Inputs}.Bytes(), deadline
}
