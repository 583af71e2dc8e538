package main

import (
	"context"
	"fmt"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
)

type cancelCommand struct {
	ID      string `arg:"" name:"id" help:"Execution id."`
	Mailbox string `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) it was submitted to."`
	operatorFlags
}

// Help documents the exit codes.
func (cancelCommand) Help() string {
	return `Ends an execution that waits, runs or waits for a retry. Work under way is stopped within seconds; what a Lambda ` +
		`makes of it doesn't count any more. What has ended stays as it ended. A cancelled execution can't be redriven.

	sage cancel lunes --mailbox ventas --reason "sent twice"

Exit codes:

	0  it is CANCELLED, now or before
	1  it ended otherwise before; nothing was changed
	2  it isn't known, wrong usage, or a system failure`
}

// Run cancels an execution.
func (c cancelCommand) Run(ctx context.Context, a *app) error {
	op, done, err := a.operator(ctx, c.operatorFlags)
	if err != nil {
		return err
	}
	defer done()
	cancelled, err := op.Cancel(ctx, c.Mailbox, c.ID, c.Reason, c.DryRun)
	if err != nil {
		return err
	}
	if err := c.print(a, cancelled); err != nil {
		return err
	}
	if cancelled.State != execution.Cancelled.Terminal() {
		return exit(exitRefused)
	}
	return nil
}

func (c cancelCommand) print(a *app, d producer.Cancelled) error {
	if c.JSON {
		return printJSON(a.stdout, d)
	}
	name := fmt.Sprintf("%s in mailbox %s", tint(a.stdout, bold, d.ID), d.Mailbox)
	if d.Generation > 1 {
		name += fmt.Sprintf(", generation %d", d.Generation)
	}
	text := fmt.Sprintf("cancelled; it was %s", d.Was)
	switch {
	case d.Already:
		text = fmt.Sprintf("has ended before: %s", d.State)
	case d.DryRun:
		text = fmt.Sprintf("would be cancelled; it is %s", d.Was)
	}
	_, err := fmt.Fprintf(a.stdout, "%s: %s\n", name, text)
	return err
}
