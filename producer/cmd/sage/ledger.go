package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/settings"
)

type ledgerCommands struct {
	Status  ledgerStatusCommand  `cmd:"" help:"Say what the ledger holds, and how far it is."`
	Rebuild ledgerRebuildCommand `cmd:"" help:"Build the ledger again, of what storage and the events say."`
}

// openLedger opens the ledger that LEDGER_URL names. The caller closes it.
func (a *app) openLedger(ctx context.Context) (*ledger.Ledger, error) {
	cfg, err := settings.Parse[ledger.Config](env.ToMap(os.Environ()))
	if err != nil {
		return nil, err
	}
	return cfg.Open(ctx)
}

type ledgerStatusCommand struct {
	JSON bool `name:"json" help:"Print one line of JSON."`
}

// Help documents the exit codes.
func (ledgerStatusCommand) Help() string {
	return `Reads the database of LEDGER_URL and compares it with the stream of events.

	sage ledger status

Exit codes:

	0  the ledger can be read, however far it is
	2  wrong usage, or a system failure`
}

// Run prints what the ledger holds.
func (c ledgerStatusCommand) Run(ctx context.Context, a *app) error {
	l, err := a.openLedger(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	s, err := l.Status(ctx)
	if err != nil {
		return err
	}
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	stream, err := js.Stream(ctx, bus.StreamEvents)
	if err != nil {
		return err
	}
	told := struct {
		ledger.Status
		Last uint64 `json:"last"` // sequence of the last event that was told
	}{s, stream.CachedInfo().State.LastSeq}
	if c.JSON {
		return printJSON(a.stdout, told)
	}
	behind := "has all events"
	if told.Last > s.Sequence {
		behind = fmt.Sprintf("is behind: has read to event %d of %d", s.Sequence, told.Last)
	}
	return rows(a.stdout, [][2]string{
		{"ledger", s.Engine + ", " + behind}, {"executions", fmt.Sprint(s.Executions)}, {"events", fmt.Sprint(s.Events)},
		{"foreign", fmt.Sprintf("%d messages passed over", s.Skipped)},
	})
}

type ledgerRebuildCommand struct {
	Forget bool `help:"Leave out what only the ledger still knows: timelines and costs older than the events that are kept."`
	JSON   bool `name:"json" help:"Print one line of JSON."`
}

// Help documents the exit codes.
func (ledgerRebuildCommand) Help() string {
	return `Reads all outcomes in storage, all events that are kept and what waits. The ledger
can be read and written meanwhile; the new one takes its place at the end, at once.

	sage ledger rebuild

Exit codes:

	0  the ledger was built again
	2  it wasn't, and is as it was; or wrong usage`
}

// Run builds the ledger again.
func (c ledgerRebuildCommand) Run(ctx context.Context, a *app) error {
	l, err := a.openLedger(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	objects, err := a.open(ctx)
	if err != nil {
		return err
	}
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	opts := ledger.RebuildOptions{Forget: c.Forget}
	if terminal(a.stderr) {
		opts.Progress = func(what string, n int) { _, _ = fmt.Fprintf(a.stderr, "\r\x1b[K%d %s", n, what) }
		defer func() { _, _ = fmt.Fprint(a.stderr, "\r\x1b[K") }()
	}
	done, err := l.Rebuild(ctx, js, outcome.New(objects), opts)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a.stdout, done)
	}
	return rows(a.stdout, [][2]string{
		{"executions", fmt.Sprintf("%d in %s", done.Executions, durationText(done.Took.Round(time.Millisecond)))},
		{"built of", fmt.Sprintf("%s, events up to %d, %s on the queue, %s of the ledger before", count(done.Outcomes, "outcome"), done.Events,
			count(done.Waiting, "request"), count(done.Carried, "older event"))},
		{"foreign", fmt.Sprintf("%d messages passed over", done.Skipped)},
	})
}
