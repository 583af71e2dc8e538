package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/sagefleet/sagefleet/producer/retention"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/settings"
)

type gcCommand struct {
	DryRun bool `help:"Only say what would be deleted."`
	JSON   bool `name:"json" help:"Print one line of JSON."`
}

// Help says what is deleted, and documents the exit codes.
func (gcCommand) Help() string {
	return `Deletes the files of executions that ended more than RETAIN_INPUTS ago, their large results after RETAIN_ATTEMPTS, ` +
		`what attempts left that lost after RETAIN_LOST, and cached results after RETAIN_CACHE. Outcomes, with the reports inside ` +
		`them, stay; so does everything of executions that have not ended, what they name by source_execution_id, and files that nobody submitted. It may be interrupted ` +
		`at any time. It deletes from storage: give it credentials of its own.

	sage admin gc --dry-run

Exit codes:

	0  done
	2  wrong usage or a system failure`
}

// Run collects once.
func (c gcCommand) Run(ctx context.Context, a *app) error {
	cfg, err := settings.Parse[retention.Config](env.ToMap(os.Environ()))
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		return err
	}
	objects, err := a.open(ctx)
	if err != nil {
		return err
	}
	nc, js, err := a.connectAs(ctx, bus.IdentityGC)
	if err != nil {
		return err
	}
	defer nc.Close()
	collector, err := retention.Open(ctx, js, objects, cfg)
	if err != nil {
		return err
	}
	report, err := collector.Run(ctx, c.DryRun, a.gcProgress())
	if terminal(a.stderr) {
		_, _ = fmt.Fprint(a.stderr, "\r\x1b[K")
	}
	if c.JSON {
		if printed := printJSON(a.stdout, report); err == nil {
			err = printed
		}
		return err
	}
	if printed := a.printFreed(report); err == nil {
		err = printed
	}
	return err
}

// gcProgress shows on a terminal how far it is.
func (a *app) gcProgress() func(retention.Report) {
	if !terminal(a.stderr) {
		return nil
	}
	var last time.Time
	return func(r retention.Report) {
		if time.Since(last) < 200*time.Millisecond {
			return
		}
		last = time.Now()
		deleted := r.Inputs.Objects + r.Attempts.Objects + r.Lost.Objects + r.Cache.Objects
		_, _ = fmt.Fprintf(a.stderr, "\r%d listed, %d deleted\x1b[K", r.Listed, deleted)
	}
}

func (a *app) printFreed(r retention.Report) error {
	text := func(f retention.Freed) string {
		return fmt.Sprintf("%s, %s", count(f.Objects, "object"), bytesText(f.Bytes))
	}
	what := "freed"
	if r.DryRun {
		what = "would be freed"
	}
	total := retention.Freed{}
	for _, f := range []retention.Freed{r.Inputs, r.Attempts, r.Lost, r.Cache} {
		total.Objects += f.Objects
		total.Bytes += f.Bytes
	}
	table := [][2]string{
		{"inputs", text(r.Inputs)}, {"results", text(r.Attempts)}, {"lost attempts", text(r.Lost)}, {"cache", text(r.Cache)},
		{what, text(total)}, {"listed", count(r.Listed, "object")},
		{"not ended", count(r.Open, "execution") + " with old files"},
	}
	if r.Named > 0 {
		table = append(table, [2]string{"in use", count(r.Named, "old object") + " that work which has not ended names"})
	}
	return rows(a.stdout, table)
}
