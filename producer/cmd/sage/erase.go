package main

import (
	"context"
	"fmt"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/fault"
)

type eraseCommand struct {
	ID      string `arg:"" name:"id" help:"Execution id."`
	Mailbox string `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) it was submitted to."`
	operatorFlags
}

// Help says what is removed, and documents the exit codes.
func (eraseCommand) Help() string {
	return `Removes the inputs, results, cached findings, dead letters, record and events of an execution that has ended, in all ` +
		`its generations. What stays is that it ended, how and when, and who erased it, when and why. It can't be undone; what ` +
		`was interrupted is completed by running it again. A bucket that keeps old versions, and backups, keep theirs. Of what came ` +
		`from a folder that sage watch watches, the file in processed/ stays: it is said so, and is the operator's to remove.

	sage erase lunes --mailbox ventas --reason "the customer asked for it" --dry-run

Exit codes:

	0  erased, now or before
	1  it has not ended; nothing was changed
	2  it isn't known, wrong usage, or a system failure`
}

// Run erases an execution.
func (c eraseCommand) Run(ctx context.Context, a *app) error {
	op, done, err := a.operator(ctx, c.operatorFlags)
	if err != nil {
		return err
	}
	defer done()
	erased, err := op.Erase(ctx, c.Mailbox, c.ID, c.Reason, c.DryRun)
	if fault.CodeOf(err) == producer.CodeNotEnded {
		report(a.stderr, err)
		return exit(exitRefused)
	}
	if err != nil {
		return err
	}
	return c.print(a, erased)
}

func (c eraseCommand) print(a *app, e producer.Erased) error {
	if c.JSON {
		return printJSON(a.stdout, e)
	}
	what := "erased"
	if e.DryRun {
		what = "would be erased"
	}
	table := [][2]string{
		{what, fmt.Sprintf("%s in mailbox %s, %s", e.ID, e.Mailbox, count(e.Generations, "generation"))},
		{"files", fmt.Sprintf("%s, %s", count(e.Objects, "object"), bytesText(e.Bytes))},
		{"dead letters", fmt.Sprint(e.Letters)}, {"events", fmt.Sprint(e.Events)},
	}
	if e.Already {
		table = append(table, [2]string{"before", printable("by " + e.By.By)})
	}
	for _, uri := range e.Left {
		table = append(table, [2]string{"left", printable(uri) + ", which is not the fleet's"})
	}
	if e.Inbox {
		table = append(table, [2]string{"left", "the file as it was put into the folder that `sage watch` watches: remove it from its processed/"})
	}
	return rows(a.stdout, table)
}
