package main

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// onlyLooks reports whether this command has an identity that may publish nothing, and
// says so to whoever sees something that others would have been told of.
func (a *app) onlyLooks() (bool, error) {
	cfg, err := a.fleet()
	if err != nil || cfg.Identity != bus.IdentityConsole {
		return false, err
	}
	_, _ = fmt.Fprintf(a.stderr, "%s nobody is told who sees this: the identity %s may not publish\n", tint(a.stderr, yellow, "sage:"), cfg.Identity)
	return true, nil
}

// viewed yields letters once it is stored who sees them.
func (a *app) viewed(ctx context.Context, js jetstream.JetStream, letters iter.Seq2[queue.Letter, error]) (iter.Seq2[queue.Letter, error], error) {
	if looks, err := a.onlyLooks(); err != nil || looks {
		return letters, err
	}
	return producer.Viewed(ctx, event.New(js, bus.SubjectEvent), letters, operatorFlags{}.viewer()), nil
}

// tellFetched has it stored who fetches the files of an execution. They lie in storage,
// which can be read while NATS is away: then a line on standard error says that nobody
// is told.
func (a *app) tellFetched(ctx context.Context, o execution.Outcome) error {
	if a.natsURL == "" {
		return nil // it reads storage alone
	}
	if looks, err := a.onlyLooks(); err != nil || looks {
		return err
	}
	nc, js, err := a.connect(ctx)
	if err == nil {
		defer nc.Close()
		var names []string
		for _, f := range o.Files {
			names = append(names, f.Name)
		}
		patience, cancel := context.WithTimeout(ctx, connectPatience)
		defer cancel()
		what := strings.Join(names[:min(len(names), 20)], ", ") + " and inputs"
		err = producer.TellViewed(patience, event.New(js, bus.SubjectEvent), o.Key, operatorFlags{}.viewer(), what)
	}
	if err != nil && ctx.Err() == nil {
		_, err = fmt.Fprintf(a.stderr, "%s nobody is told who fetches this: %s\n", tint(a.stderr, yellow, "sage:"), printable(err.Error()))
	}
	return err
}
