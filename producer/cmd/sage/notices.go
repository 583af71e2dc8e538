package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
)

// noticesCommands look at what is told outside the fleet.
type noticesCommands struct {
	List noticesListCommand `cmd:"" help:"List answers and alarms that aren't sent, or were given up."`
}

type noticesListCommand struct {
	All   bool `help:"Also what was sent."`
	Limit int  `default:"100" help:"List so many; 0 is all."`
	JSON  bool `name:"json" help:"Print one line of JSON for each."`
}

// Help explains the columns.
func (noticesListCommand) Help() string {
	return `Lists what ` + "`sage notify`" + ` could not tell senders and operators yet, and what it has given up, of the last 30 days: ` +
		`when it was tried last, where it stands, what it is about, how often it was tried, and what went wrong.

	sage notices list
	sage notices list --all --json

Exit codes:

	0  whatever was found
	2  wrong usage, or a system failure`
}

// Validate refuses what can be parsed but makes no sense.
func (c noticesListCommand) Validate() error {
	if c.Limit < 0 {
		return fmt.Errorf("--limit: %d is no number of notices", c.Limit)
	}
	return nil
}

var errEnough = errors.New("enough")

// Run lists notices.
func (c noticesListCommand) Run(ctx context.Context, a *app) error {
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	kv, err := js.KeyValue(ctx, bus.BucketNotices)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", bus.BucketNotices, err)
	}
	shown := 0
	err = notices.List(ctx, kv, func(k notices.Known) error {
		switch {
		case k.Standing == notices.Sent && !c.All:
			return nil
		case c.Limit > 0 && shown == c.Limit:
			return errEnough
		}
		shown++
		return c.print(a, k)
	})
	switch {
	case errors.Is(err, errEnough):
		_, _ = fmt.Fprintf(a.stderr, "there are more; --limit 0 lists all\n")
		return nil
	case err == nil && shown == 0:
		_, _ = fmt.Fprintln(a.stderr, "no notices")
	}
	return err
}

func (c noticesListCommand) print(a *app, k notices.Known) error {
	if c.JSON {
		return printJSON(a.stdout, k)
	}
	standing := k.Standing
	if !k.Again.IsZero() {
		standing += ", again in " + durationText(max(0, time.Until(k.Again)))
	}
	why := ""
	if k.Fault != nil {
		why = printable(k.Fault.Error())
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %-8s  %-6s  %-7s  %-32s  %d tries  %s\n", k.At.UTC().Format(time.RFC3339), standing, k.Kind, k.Channel,
		printable(k.About), k.Tries, why)
	return err
}
