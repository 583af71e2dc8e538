package retention

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// named finds the executions that work which waits, or is under way, takes files from by
// source_execution_id. Such a file may be an input that this execution took from a third
// one itself: its outcome says where it lies. What is submitted later finds what there is.
func (c *Collector) named(ctx context.Context) (map[string]bool, error) {
	named := map[string]bool{}
	name := func(mailbox, id string) error {
		owner := intake.Prefix(mailbox, id)
		if named[owner] {
			return nil
		}
		named[owner] = true
		o, err := c.outcomes.Last(ctx, mailbox, id)
		if errors.Is(err, outcome.ErrNone) {
			return nil
		}
		for _, in := range o.Inputs {
			key, own := strings.CutPrefix(in.Source, storage.Join(c.objects.URL(), ""))
			if mailbox, id, _, ok := intake.Parse(key); own && ok {
				named[intake.Prefix(mailbox, id)] = true
			}
		}
		return err
	}
	// Work moves from LATER to the queue, and back: the queue is read around it.
	for _, stream := range []string{bus.StreamExecutions, bus.StreamLater, bus.StreamExecutions} {
		err := bus.Scan(ctx, c.js, stream, bus.Scope{}, func(msg *jetstream.RawStreamMsg) error {
			mailbox, id, err := bus.ParseWork(msg.Subject)
			if err != nil {
				return nil //nolint:nilerr // it will be refused
			}
			r, err := execution.Decode(msg.Data, execution.Origin{Mailbox: mailbox, ID: id, Stream: stream, Sequence: msg.Sequence, Time: msg.Time})
			if err != nil {
				return nil //nolint:nilerr // it will be refused
			}
			for _, in := range r.Inputs {
				if in.SourceExecutionID == "" {
					continue
				}
				if err := name(r.Mailbox, in.SourceExecutionID); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for work that takes files from executions: %w", err)
		}
	}
	return named, nil
}
