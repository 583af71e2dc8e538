package retention

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// republished is how long at least a request that was stored is taken for work that may be
// published yet: longer than anybody's RECONCILE_WINDOW.
const republished = 7 * 24 * time.Hour

// named finds the executions that work which waits, or is under way, takes files from by
// source_execution_id. Such a file may be an input that this execution took from a third
// one itself: its outcome says where it lies. What is submitted later finds what there is.
func (c *Collector) named(ctx context.Context) (map[string]bool, error) {
	named := map[string]bool{}
	take := func(r execution.Request) error {
		for _, in := range r.Inputs {
			if in.SourceExecutionID == "" {
				continue
			}
			if err := c.name(ctx, r.Mailbox, in.SourceExecutionID, named); err != nil {
				return err
			}
		}
		return nil
	}
	// What was stored and is on no queue is published again; from there, work moves to LATER
	// and back: the queue is read around it.
	err := c.stored(ctx, take)
	for _, stream := range []string{bus.StreamExecutions, bus.StreamLater, bus.StreamExecutions} {
		if err == nil {
			err = c.waiting(ctx, stream, take)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look for work that takes files from executions: %w", err)
	}
	return named, nil
}

// stored calls take with the requests that were stored lately and have no outcome.
func (c *Collector) stored(ctx context.Context, take func(execution.Request) error) error {
	for info, err := range c.objects.List(ctx, intake.Root) {
		if err != nil {
			return err
		}
		mailbox, id, isRequest, ok := intake.Parse(info.Key)
		if !ok || !isRequest || older(info.Modified, republished) {
			continue
		}
		_, err = c.objects.Stat(ctx, outcome.Path(execution.Key{Mailbox: mailbox, ID: id, Generation: 1}))
		if err == nil {
			continue // a later generation is on the queue
		}
		if !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		r, err := intake.Request(ctx, c.objects, mailbox, id)
		if errors.Is(err, storage.ErrNotFound) || errors.Is(err, intake.ErrNoRequest) || errors.Is(err, execution.ErrNewer) {
			continue // nobody will publish it who could tell what it takes
		}
		if err != nil {
			return err
		}
		if err := take(r); err != nil {
			return err
		}
	}
	return nil
}

// waiting calls take with the requests in a stream.
func (c *Collector) waiting(ctx context.Context, stream string, take func(execution.Request) error) error {
	return bus.Scan(ctx, c.js, stream, bus.Scope{}, func(msg *jetstream.RawStreamMsg) error {
		mailbox, id, err := bus.ParseWork(msg.Subject)
		if err != nil {
			return nil //nolint:nilerr // it will be refused
		}
		r, err := execution.Decode(msg.Data, execution.Origin{Mailbox: mailbox, ID: id, Stream: stream, Sequence: msg.Sequence, Time: msg.Time})
		if err != nil {
			return nil //nolint:nilerr // it will be refused
		}
		return take(r)
	})
}

// name adds an execution that others take files from, and those it took its own from.
func (c *Collector) name(ctx context.Context, mailbox, id string, named map[string]bool) error {
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
