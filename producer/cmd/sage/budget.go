package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/producer/console"
	"github.com/sagefleet/sagefleet/shared/settings"
)

type budgetCommand struct {
	JSON bool `name:"json" help:"Print one line of JSON."`
}

// Help explains the numbers.
func (budgetCommand) Help() string {
	return `The limits are read from BUDGET_HOUR_USD, BUDGET_DAY_USD and BUDGET_MAILBOX_USD: set them as the
bridges have them. Half of a limit can be spent at once, and the other half comes back over
its hour or day.

	debt      was spent, and hasn't come back yet
	reserved  the most that invocations under way, and those that bridges may begin, can cost
	free      can be reserved now

	BUDGET_HOUR_USD=1.50 sage budget

Exit codes:

	0  whatever was found
	2  wrong usage, or a system failure`
}

// Run shows the budget.
func (c budgetCommand) Run(ctx context.Context, a *app) error {
	limits, err := settings.Parse[budget.Config](env.ToMap(os.Environ()))
	if err == nil {
		err = limits.Validate(0)
	}
	if err != nil {
		return err
	}
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	s, err := shares.ReadSpent(ctx, js, limits)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a.stdout, s)
	}
	return a.printBudget(s)
}

// shownBudget is what the console shows of it.
func shownBudget(s shares.Spent) console.Budget {
	b := console.Budget{Settled: s.Total, Short: s.Short}
	for _, l := range s.Limits {
		b.Limits = append(b.Limits, console.Limit(l))
	}
	return b
}

func (a *app) printBudget(s shares.Spent) error {
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	if len(s.Limits) == 0 {
		fmt.Fprintln(table, "This command was told no limit, so it can't say what is left. If bridges have one, set the same here:")
		fmt.Fprintln(table, "BUDGET_HOUR_USD, BUDGET_DAY_USD, BUDGET_MAILBOX_USD. If they have none, nothing bounds what Lambdas cost.")
	} else {
		fmt.Fprintln(table, "LIMIT\tUSD\tDEBT\tRESERVED\tFREE")
	}
	for _, l := range s.Limits {
		name := l.Window
		if l.Mailbox != "" {
			name += " of " + l.Mailbox
		}
		fmt.Fprintf(table, "%s\t%.4f\t%s\t%s\t%s\n", name, l.Limit, usdText(l.Debt), usdText(l.Reserved), usdText(l.Free))
	}
	if len(s.Shares) > 0 {
		fmt.Fprintln(table, "\nBRIDGE\tUNUSED\tIN FLIGHT\tSEEN")
	}
	for _, share := range s.Shares {
		seen := durationText(time.Since(share.Seen)) + " ago"
		if share.Closed {
			seen += ", closed"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", printable(share.Bridge), share.Unused, share.Used, seen)
	}
	fmt.Fprintf(table, "\nsettled so far\t%s USD\n", usdText(s.Total))
	if s.Short != "" {
		fmt.Fprintln(table, tint(a.stdout, yellow, "short")+"\t"+printable(s.Short))
	}
	return table.Flush()
}
