package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
)

type listCommand struct {
	Prefix   string   `arg:"" optional:"" help:"Only whose id, or the name of one of whose files, begins so, in upper or lower case."`
	Mailbox  []string `placeholder:"NAME" help:"Only of these mailboxes (casillas)."`
	State    []string `placeholder:"STATE" help:"Only in these states: accepted, running, retry_wait, succeeded, dead or cancelled."`
	Executor string   `placeholder:"WHERE" help:"Only by a worker, by a lambda, or ended by an operator."`
	Since    since    `placeholder:"WHEN" help:"Only accepted since 15m ago, or since 2030-01-31T18:00:00Z."`
	Until    since    `placeholder:"WHEN" help:"Only accepted before that."`
	Limit    int      `default:"50" help:"List so many; 0 is all."`
	After    string   `placeholder:"CURSOR" help:"Go on where a list ended; it says how."`
	JSON     bool     `name:"json" help:"Print one line of JSON for each."`
}

// Help explains the columns and documents the exit codes.
func (listCommand) Help() string {
	return `Lists executions, newest first: when they were accepted, their state, mailbox, id (and generation, if redriven), ` +
		`who executed them, their files, and what came of it. It reads the ledger of LEDGER_URL, which a running ` +
		"`sage serve`" + ` keeps within a second or so; ` + "`sage status`" + ` asks the fleet itself.

	sage list --state dead --since 24h
	sage list ventas- --mailbox ventas --mailbox devoluciones

Exit codes:

	0  whatever was found
	2  wrong usage, or a system failure`
}

// listStates are the states as they are typed.
var listStates = []execution.State{execution.Accepted, execution.Running, execution.RetryWait,
	execution.Succeeded.Terminal(), execution.Dead.Terminal(), execution.Cancelled.Terminal()}

// Validate refuses what can be parsed but makes no sense.
func (c listCommand) Validate() error {
	executors := []string{execution.OnWorker, execution.OnLambda, execution.ByOperator}
	switch {
	case c.Limit < 0:
		return fmt.Errorf("--limit: %d is no number of executions", c.Limit)
	case c.Executor != "" && !slices.Contains(executors, c.Executor):
		return fmt.Errorf("--executor: %q is none of %s", c.Executor, strings.Join(executors, ", "))
	}
	for _, m := range c.Mailbox {
		if execution.ValidateMailbox(m) != nil {
			return fmt.Errorf("--mailbox: %q is no mailbox's name", m)
		}
	}
	for _, s := range c.State {
		if !slices.Contains(listStates, execution.State(strings.ToUpper(s))) {
			return fmt.Errorf("--state: %q is none of accepted, running, retry_wait, succeeded, dead, cancelled", s)
		}
	}
	return nil
}

func (c listCommand) filter() ledger.Filter {
	f := ledger.Filter{Mailboxes: c.Mailbox, Executor: c.Executor, From: c.Since.Time, To: c.Until.Time, Prefix: c.Prefix}
	for _, s := range c.State {
		f.States = append(f.States, execution.State(strings.ToUpper(s)))
	}
	return f
}

// Run lists executions, page by page.
func (c listCommand) Run(ctx context.Context, a *app) error {
	l, err := a.openLedger(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	n, cursor := 0, c.After
	for {
		limit := ledger.MaxPage
		if c.Limit > 0 {
			limit = min(limit, c.Limit-n)
		}
		page, err := l.List(ctx, c.filter(), cursor, limit)
		if err != nil {
			return err
		}
		for _, e := range page.Executions {
			if err := c.print(a, e); err != nil {
				return err
			}
		}
		n += len(page.Executions)
		switch cursor = page.Next; {
		case cursor == "" && n == 0:
			return c.none(ctx, a, l)
		case cursor == "":
			return nil
		case c.Limit > 0 && n == c.Limit:
			_, _ = fmt.Fprintf(a.stderr, "there are more; go on with --after %s\n", cursor)
			return nil
		}
	}
}

// none tells an empty ledger from a filter that chooses nothing.
func (c listCommand) none(ctx context.Context, a *app, l *ledger.Ledger) error {
	s, err := l.Status(ctx)
	if err != nil {
		return err
	}
	text := "no such executions"
	if s.Executions == 0 {
		text = "the ledger is empty: a running `sage serve` with the same LEDGER_URL fills it, or `sage ledger rebuild`"
	}
	_, _ = fmt.Fprintln(a.stderr, text)
	return nil
}

func (c listCommand) print(a *app, e ledger.Execution) error {
	if c.JSON {
		return printJSON(a.stdout, e)
	}
	name := printable(e.ID)
	if e.Generation > 1 {
		name = fmt.Sprintf("%s (%d)", name, e.Generation)
	}
	state := fmt.Sprintf("%-10s", e.State)
	if e.State == execution.Dead.Terminal() {
		state = tint(a.stdout, red, state)
	}
	line := fmt.Sprintf("%s  %s  %-12s  %-24s  %-8s  %-20s  %s", e.Accepted.Format(time.RFC3339), state, printable(e.Mailbox), name,
		cmp.Or(e.Executor, "-"), listedFiles(e), listedEnd(e))
	_, err := fmt.Fprintln(a.stdout, strings.TrimRight(line, " "))
	return err
}

// listedFiles is the first file, and how many more there are.
func listedFiles(e ledger.Execution) string {
	switch {
	case len(e.Files) == 0:
		return "-"
	case e.FileCount > 1:
		return fmt.Sprintf("%s +%d", printable(e.Files[0]), e.FileCount-1)
	}
	return printable(e.Files[0])
}

// listedEnd is what came of e.
func listedEnd(e ledger.Execution) string {
	switch {
	case !e.Erased.IsZero():
		return "erased " + e.Erased.Format(time.RFC3339)
	case e.State == execution.Succeeded.Terminal():
		return fmt.Sprintf("%s, %s, %s", count(e.Records, "record"), count(e.Errors, "error"), count(e.Warnings, "warning"))
	case e.RedrivenAs > 0:
		return fmt.Sprintf("redriven as generation %d", e.RedrivenAs)
	case e.Code == "":
		return ""
	}
	const most = 80
	reason := []rune(printable(e.Code + "  " + e.Reason))
	if len(reason) > most {
		return string(reason[:most]) + "…"
	}
	return string(reason)
}
