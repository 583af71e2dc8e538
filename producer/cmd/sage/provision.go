package main

import (
	"context"
	"fmt"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/fault"
)

type provisionCommand struct {
	Apply bool `help:"Create what is missing and change what differs."`
	JSON  bool `name:"json" help:"Print one line of JSON."`
	Anew  bool `help:"With --apply, also remove and make again the buckets of locks and records where the server can't change them."`
}

// Help documents the exit codes.
func (provisionCommand) Help() string {
	return `Compares the server's streams, consumers and buckets with those the fleet needs, and prints each difference.

What the server can't change is made anew only with --anew, and only the buckets of locks and records are. Work
under way then goes on with its attempts counted from the start, or is done twice and counts once; records of what ended
come back as the bridge's reconciler meets the outcomes. A fleet of one server that was provisioned before locks and
records were written behind works as it is, and gets faster with it.

	sage admin provision
	sage admin provision --apply

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
	if c.JSON {
		return c.json(ctx, a, changes)
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
	apply, err := c.wanted(changes)
	if err != nil {
		return err
	}
	if err := bus.Apply(ctx, apply); err != nil {
		return err
	}
	left := "."
	if n := len(changes) - len(apply); n > 0 {
		left = fmt.Sprintf(", %d left as it is.", n)
	}
	_, err = fmt.Fprintf(a.stdout, "\n%s applied%s\n", count(len(apply), "difference"), left)
	return err
}

// provisioned is what --json prints.
type provisioned struct {
	Differences []bus.Change `json:"differences"` // before anything was applied
	Applied     []string     `json:"applied"`     // the objects
}

func (c provisionCommand) json(ctx context.Context, a *app, changes []bus.Change) error {
	p := provisioned{Differences: append([]bus.Change{}, changes...), Applied: []string{}}
	if c.Apply {
		apply, err := c.wanted(changes)
		if err == nil {
			err = bus.Apply(ctx, apply)
		}
		if err != nil {
			return err
		}
		for _, change := range apply {
			p.Applied = append(p.Applied, change.Object)
		}
	}
	if err := printJSON(a.stdout, p); err != nil {
		return err
	}
	if len(changes) > 0 && !c.Apply {
		return exit(exitDiffers)
	}
	return nil
}

// wanted returns the changes that were asked for. What the fleet can't do without and
// was not asked for is an error, before anything is changed.
func (c provisionCommand) wanted(changes []bus.Change) ([]bus.Change, error) {
	var apply []bus.Change
	for _, change := range changes {
		switch {
		case !change.Anew || c.Anew:
			apply = append(apply, change)
		case !change.Optional:
			return nil, fault.New(bus.CodeDrift, "the server can't change %s", change).
				Advise("read `sage admin provision --help`, then add --anew to make it again, empty").Permanent()
		}
	}
	return apply, nil
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
	if !c.Anew {
		return nil
	}
	note := "    the server can't change that: --apply --anew makes it again, empty"
	if c.Optional {
		note += "; it works as it is, only slower"
	}
	_, err := fmt.Fprintln(a.stdout, note)
	return err
}
