package main

import (
	"context"
	"fmt"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/queue"
)

type redriveCommand struct {
	ID      string `arg:"" optional:"" name:"id" help:"Execution id; or --all."`
	Mailbox string `env:"SAGE_MAILBOX" placeholder:"NAME" help:"Mailbox (casilla) it was submitted to; general when not given. With --all: only of this one; every one when not given."`
	From    int    `placeholder:"N" help:"Redrive generation N, and nothing if that was done; the last one when not given."`
	All     bool   `help:"Redrive what the dead letters tell of."`
	Since   since  `placeholder:"WHEN" help:"With --all: dead since 15m ago, or since 2030-01-31T18:00:00Z."`
	Code    string `placeholder:"CODE" help:"With --all: dead with this code."`
	operatorFlags
}

// Help documents the exit codes.
func (redriveCommand) Help() string {
	return `Has a DEAD execution carried out again, with the same files, as its next generation. The DEAD generation stays as ` +
		`it is. Doing it again is harmless: nothing happens until the new generation has ended DEAD too.

	sage redrive lunes --mailbox ventas --reason "the file came late"
	sage redrive --all --since 2h --code INPUT_MISSING --dry-run

Exit codes:

	0  another generation is open, or was opened before
	1  the execution is not DEAD; nothing was changed
	2  wrong usage, an unknown execution, or a system failure; with --all, some could not be redriven`
}

// Validate refuses what can be parsed but makes no sense.
func (c redriveCommand) Validate() error {
	switch {
	case c.All == (c.ID != ""):
		return fmt.Errorf("give either an id or --all")
	case !c.All && (c.Code != "" || !c.Since.IsZero()):
		return fmt.Errorf("--since and --code choose from --all")
	case c.From < 0 || c.All && c.From != 0:
		return fmt.Errorf("--from takes a generation of one execution")
	}
	return nil
}

// Run redrives one execution, or many.
func (c redriveCommand) Run(ctx context.Context, a *app) error {
	op, done, err := a.operator(ctx, c.operatorFlags)
	if err != nil {
		return err
	}
	defer done()
	if c.All {
		return c.all(ctx, a, op)
	}
	if c.Mailbox == "" {
		c.Mailbox = defaultMailbox()
	}
	d, err := op.Redrive(ctx, c.Mailbox, c.ID, c.From, c.Reason, c.DryRun)
	if fault.CodeOf(err) == producer.CodeNotDead {
		report(a.stderr, err)
		return exit(exitRefused)
	}
	if err != nil {
		return err
	}
	return c.print(a, d)
}

func (c redriveCommand) all(ctx context.Context, a *app, op *producer.Operator) error {
	filter := queue.LetterFilter{Mailbox: c.Mailbox, Code: c.Code, Since: c.Since.Time}
	var redriven, already, failed int
	for d, err := range op.RedriveAll(ctx, filter, c.Reason, c.DryRun) {
		switch {
		case err != nil && d.ID == "":
			return err
		case err != nil:
			failed++
			_, _ = fmt.Fprintf(a.stderr, "%s of mailbox %s:\n", d.ID, d.Mailbox)
			report(a.stderr, err)
			continue
		case d.Already:
			already++
		default:
			redriven++
		}
		if err := c.print(a, d); err != nil {
			return err
		}
	}
	verb := "redriven"
	if c.DryRun {
		verb = "would be redriven"
	}
	_, _ = fmt.Fprintf(a.stderr, "%s %s, %d were before, %d failed\n", count(redriven, "execution"), verb, already, failed)
	if failed > 0 {
		return exit(exitFailed)
	}
	return nil
}

func (c redriveCommand) print(a *app, d producer.Redriven) error {
	if c.JSON {
		return printJSON(a.stdout, d)
	}
	text := "redriven as generation"
	switch {
	case d.Already:
		text = "was redriven before as generation"
	case d.DryRun:
		text = "would be redriven as generation"
	}
	state := ""
	if d.Already {
		state = ", which is " + string(d.State)
	}
	_, err := fmt.Fprintf(a.stdout, "%s in mailbox %s: generation %d is %s, %s %d%s\n", tint(a.stdout, bold, d.ID), d.Mailbox,
		d.From, execution.Dead, text, d.Generation, state)
	return err
}
