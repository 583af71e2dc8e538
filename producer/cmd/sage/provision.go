package main

import (
	"context"
	"fmt"

	"github.com/sagefleet/sagefleet/shared/bus"
)

type provisionCommand struct {
	Apply bool `help:"Create what is missing and change what differs."`
}

// Help documents the exit codes.
func (provisionCommand) Help() string {
	return `Compares the server's streams, consumers and buckets with those the fleet needs, and prints each difference.

Exit codes:

	0  nothing differs, or everything was applied
	1  something differs and was only shown
	2  wrong usage or a system failure`
}

// Run shows the differences and applies them if it is asked to.
func (c provisionCommand) Run(ctx context.Context, a *app) error {
	cfg, err := a.fleet()
	if err != nil {
		return err
	}
	nc, js, err := a.connectAs(ctx, bus.IdentityAdmin)
	if err != nil {
		return err
	}
	defer nc.Close()
	changes, err := bus.Diff(ctx, js, cfg.Topology())
	if err != nil {
		return err
	}
	for _, change := range changes {
		if err := a.printChange(change); err != nil {
			return err
		}
	}
	switch {
	case len(changes) == 0:
		_, err = fmt.Fprintln(a.stdout, "The server has what the fleet needs.")
		return err
	case !c.Apply:
		_, _ = fmt.Fprintf(a.stdout, "\n%s. Nothing was changed; apply with `sage admin provision --apply`.\n", count(len(changes), "difference"))
		return exit(exitDiffers)
	}
	if err := bus.Apply(ctx, changes); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "\n%s applied.\n", count(len(changes), "difference"))
	return err
}

func (a *app) printChange(c bus.Change) error {
	what := tint(a.stdout, yellow, "~ "+c.Object)
	if c.Missing {
		what = tint(a.stdout, green, "+ "+c.Object)
	}
	if _, err := fmt.Fprintln(a.stdout, what); err != nil {
		return err
	}
	for _, field := range c.Fields {
		if _, err := fmt.Fprintln(a.stdout, "    "+field); err != nil {
			return err
		}
	}
	return nil
}
