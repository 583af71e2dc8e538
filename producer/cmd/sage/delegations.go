package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
)

type delegationsCommand struct {
	Open bool `help:"Only those whose run may be going on."`
	JSON bool `name:"json" help:"Print one line of JSON for each."`
}

// Help documents the exit codes.
func (delegationsCommand) Help() string {
	return `What bridges have handed to a Lambda, the oldest change first. What is over is listed for a
day, or as long as STATE_TTL says. What an invocation may cost is reserved before it gets an entry,
by a ticket in the bridge's share of the budget, which "sage budget" counts and the entry names.

	invoked  the Lambda is asked; it may be running until the expiry
	running  Lambda has taken the event
	unknown  nobody waits for the answer any more; it may be running until the expiry
	outcome  it has ended
	failed   the run left no outcome; another attempt follows
	refused  the function did not run
	expired  no outcome came until the run must have ended

	sage delegations --open

Exit codes:

	0  whatever was found
	2  wrong usage, or a system failure`
}

// Run lists the ledger.
func (c delegationsCommand) Run(ctx context.Context, a *app) error {
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	ledger, err := openLedger(ctx, js)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	shown := 0
	now := time.Now()
	for e, err := range ledger.Since(ctx, 0) {
		if err != nil {
			return err
		}
		if c.Open && !e.Live(now) {
			continue
		}
		if c.JSON {
			if err := printJSON(a.stdout, e.Entry); err != nil {
				return err
			}
			continue
		}
		if shown++; shown == 1 {
			fmt.Fprintln(table, "MAILBOX\tEXECUTION\tSTATE\tINVOKED\tCOST USD\tBRIDGE")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Mailbox, executionText(e.Key), stateOf(e.Entry, now),
			e.Invoked.Local().Format(time.DateTime), costText(e.Entry), printable(e.Bridge))
	}
	if shown == 0 && !c.JSON {
		_, err := fmt.Fprintln(a.stdout, "none")
		return err
	}
	return table.Flush()
}

func openLedger(ctx context.Context, js jetstream.JetStream) (*delegation.Ledger, error) {
	kv, err := js.KeyValue(ctx, bus.BucketDelegations)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketDelegations, err)
	}
	return delegation.New(js, kv, 0), nil // it writes none: no lifetime
}

func executionText(k execution.Key) string {
	if k.Generation > 1 {
		return fmt.Sprintf("%s generation %d", k.ID, k.Generation)
	}
	return k.ID
}

// stateOf is the state of an entry, and until when a run may be going on.
func stateOf(e delegation.Entry, now time.Time) string {
	switch {
	case e.Live(now):
		return fmt.Sprintf("%s, at most %s more", e.State, durationText(e.Expiry.Sub(now)))
	case !e.State.Over():
		return string(e.State) + ", must have ended"
	case e.Code != "":
		return string(e.State) + " " + printable(e.Code)
	}
	return string(e.State)
}

// costText is what a run cost, or the most that it can.
func costText(e delegation.Entry) string {
	if e.Billed != nil {
		return usdText(e.Billed.CostUSD)
	}
	if e.State == delegation.Refused {
		return "0"
	}
	return "≤ " + usdText(e.ReservedUSD)
}

// delegationText says in one line of a status where the last delegation stands.
func delegationText(e delegation.Entry, now time.Time) string {
	parts := []string{stateOf(e, now), "invoked " + durationText(now.Sub(e.Invoked)) + " ago", "by " + printable(e.Bridge)}
	return strings.Join(parts, ", ")
}
