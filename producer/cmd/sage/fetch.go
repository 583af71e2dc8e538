package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

const (
	codeNotEnded fault.Code = "EXECUTION_NOT_ENDED"
	codeNoFiles  fault.Code = "NO_FILES"
)

type fetchCommand struct {
	ID      string `arg:"" name:"id" help:"Execution id."`
	To      string `required:"" placeholder:"DIR" type:"path" help:"Folder for the files; made if it is missing."`
	Mailbox string `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) it was submitted to."`
	Force   bool   `help:"Overwrite files that are in the folder already."`
	JSON    bool   `name:"json" help:"Print one line of JSON."`
}

// fetched is what --json prints.
type fetched struct {
	execution.Key
	Kind  execution.Kind     `json:"kind"`
	To    string             `json:"to"`
	Files []producer.Fetched `json:"files"`
}

// Help documents the layout and the exit codes.
func (fetchCommand) Help() string {
	return `Writes the report (report.html, report.json, results.txt, the logs), the configuration as input.yaml and the data ` +
		`as data.<ext> into one folder, and verifies the SHA-256 of each. It needs the storage only. Where NATS_URL ` +
		`is set, an event tells who fetched before anything is written; if the server is away, or NATS_IDENTITY may not publish, a line says so.

	sage fetch lunes --mailbox ventas --to lunes

Exit codes:

	0  fetched and verified
	2  not ended, nothing to fetch, wrong usage, or a system failure`
}

// Run fetches the files of an execution that has ended.
func (c fetchCommand) Run(ctx context.Context, a *app) error {
	objects, err := a.open(ctx)
	if err != nil {
		return err
	}
	o, err := outcome.New(objects).Last(ctx, c.Mailbox, c.ID)
	k := execution.Key{Mailbox: c.Mailbox, ID: c.ID}
	switch {
	case errors.Is(err, outcome.ErrNone):
		return fault.New(codeNotEnded, "execution %s of mailbox %s has not ended, or isn't known", c.ID, c.Mailbox).
			Advise("see `%s`", command("status", k, ""))
	case err != nil:
		return err
	case len(o.Files)+len(o.Inputs) == 0:
		return fault.New(codeNoFiles, "execution %s is %s and left no files", c.ID, o.Kind).Advise("see `%s`", command("status", k, ""))
	}
	if err := a.tellFetched(ctx, o); err != nil {
		return err
	}
	if err := os.MkdirAll(c.To, 0o750); err != nil {
		return err
	}
	dir, err := os.OpenRoot(c.To)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	files, err := producer.Fetch(ctx, objects, o, dir, c.Force)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a.stdout, fetched{o.Key, o.Kind, c.To, files})
	}
	return c.print(a, o, files)
}

func (c fetchCommand) print(a *app, o execution.Outcome, files []producer.Fetched) error {
	table := make([][2]string, len(files))
	written := 0
	for i, f := range files {
		table[i] = [2]string{printable(f.Name), bytesText(f.Size)}
		switch {
		case !f.Written && f.Source == "":
			table[i][1] += ", not fetched: it is another execution's"
		case !f.Written:
			table[i][1] += ", not fetched: it lies at " + printable(f.Source)
		default:
			written++
		}
	}
	if err := rows(a.stdout, table); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "\n%s verified in %s\n", count(written, "file"), c.To)
	if err == nil && o.Kind != execution.Succeeded {
		_, err = fmt.Fprintf(a.stderr, "%s the execution is %s: the data was not checked\n", tint(a.stderr, yellow, "sage:"), o.Kind)
	}
	return err
}
