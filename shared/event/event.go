// Package event tells what happens to executions, as CloudEvents on a stream.
//
// Events are for people, the ledger and audits: nothing is decided by them.
package event

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// Publisher publishes events.
type Publisher struct {
	js      jetstream.JetStream
	subject func(mailbox, kind string) string
}

// New returns a Publisher that publishes where subject says.
func New(js jetstream.JetStream, subject func(mailbox, kind string) string) *Publisher {
	return &Publisher{js: js, subject: subject}
}

// Publish sends e without waiting. The returned function waits until the server
// has it; whoever acknowledges the work that e tells of calls it first. A repeated
// publish of the same transition is stored once.
func (p *Publisher) Publish(kind string, e execution.Event) (stored func(context.Context) error) {
	data, err := json.Marshal(e)
	if err != nil {
		return failed(fmt.Errorf("event %s: %w", e.ID, err))
	}
	msg := nats.NewMsg(p.subject(e.Data.Mailbox, kind))
	msg.Data = data
	future, err := p.js.PublishMsgAsync(msg, jetstream.WithMsgID(e.ID))
	if err != nil {
		return failed(fmt.Errorf("event %s: %w", e.ID, err))
	}
	return func(ctx context.Context) error {
		select {
		case <-future.Ok():
			return nil
		case err := <-future.Err():
			return fmt.Errorf("event %s: %w", e.ID, err)
		case <-ctx.Done():
			return fmt.Errorf("event %s: %w", e.ID, ctx.Err())
		}
	}
}

func failed(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}
