package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/queue"
)

type fleetCommand struct {
	JSON  bool `name:"json" help:"Print one line of JSON, with --watch one each second."`
	Watch bool `short:"w" help:"Show it again each second, until interrupted."`
}

// Help gives an example, and documents the exit codes.
func (fleetCommand) Help() string {
	return `Lists who is heard: how much room workers have, and what each bridge takes now and why. Who died is listed for a minute.

	sage fleet --watch

Exit codes:

	0  whatever was found
	2  wrong usage, or a system failure`
}

// fleetNow is what `sage fleet --json` prints.
type fleetNow struct {
	Backlog queue.Backlog      `json:"backlog"`
	Members []heartbeat.Member `json:"members"`
}

// Run prints who is in the fleet.
func (c fleetCommand) Run(ctx context.Context, a *app) error {
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	kv, err := js.KeyValue(ctx, bus.BucketFleet)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", bus.BucketFleet, err)
	}
	for {
		now, err := fleetAt(ctx, js, kv)
		if err != nil {
			return err
		}
		if c.Watch && !c.JSON && terminal(a.stdout) {
			if _, err := io.WriteString(a.stdout, "\x1b[H\x1b[2J"); err != nil {
				return err
			}
		}
		if c.JSON {
			err = printJSON(a.stdout, now)
		} else {
			err = a.printFleet(now)
		}
		if err != nil || !c.Watch {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func fleetAt(ctx context.Context, js jetstream.JetStream, kv jetstream.KeyValue) (now fleetNow, err error) {
	if now.Backlog, err = queue.Lag(ctx, js); err != nil {
		return now, err
	}
	fleet, err := heartbeat.Look(ctx, kv)
	if err != nil {
		return now, err
	}
	now.Members = fleet.Members()
	return now, nil
}

func (a *app) printFleet(now fleetNow) error {
	b := now.Backlog
	var out strings.Builder
	fmt.Fprintf(&out, "%d waiting, %d in flight, %d for workers only, %d later, %d dead\n", b.Waiting, b.InFlight, b.Local, b.Later, b.Dead)
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	workers, bridges := 0, 0
	for _, m := range now.Members {
		if w := m.Worker; w != nil {
			if workers++; workers == 1 {
				_, _ = fmt.Fprintf(t, "\nWORKER\tSLOTS\tFREE\tLOCAL\tDONE\tCPU\tMEMORY\tUP\t\n")
			}
			_, _ = fmt.Fprintf(t, "%s\t%d of %d\t%d\t%d of %d\t%d\t%.0f %%\t%s\t%s\t%s\n", printable(m.Host), w.Busy, w.Slots, w.Free,
				w.LocalBusy, w.LocalSlots, w.Executed, m.Machine.CPU, bytesText(int64(m.Machine.Memory)), //nolint:gosec // far below 2^63
				durationText(m.Heard.Sub(m.Started)), presenceText(m))
		}
	}
	for _, m := range now.Members {
		if r := m.Bridge; r != nil {
			if bridges++; bridges == 1 {
				_, _ = fmt.Fprintf(t, "\nBRIDGE\tIN FLIGHT\tDELEGATED\tRETURNED\tTHROTTLED\tRESIDUE\tUP\t\n")
			}
			_, _ = fmt.Fprintf(t, "%s\t%d of %d\t%d\t%d\t%d\t%d\t%s\t%s\n", printable(m.Host), r.InFlight, r.Slots,
				r.Delegated, r.Returned, r.Throttled, r.Residue, durationText(m.Heard.Sub(m.Started)), presenceText(m))
		}
	}
	_ = t.Flush()
	table := blanks.ReplaceAllString(out.String(), "")
	out.Reset()
	out.WriteString(table)
	for _, m := range now.Members {
		if m.Bridge != nil && m.Presence == heartbeat.Here {
			fmt.Fprintf(&out, "\n%s: %s\n", printable(m.Host), printable(nowText(*m.Bridge)))
		}
	}
	if workers+bridges == 0 {
		out.WriteString("\nNobody is heard: no worker and no bridge runs, or they are older than heartbeats.\n")
	}
	_, err := io.WriteString(a.stdout, out.String())
	return err
}

var blanks = regexp.MustCompile(`(?m) +$`)

// nowText says what a bridge takes now and why.
func nowText(b heartbeat.Bridge) string {
	if b.Why.Policy == "" || b.Why.Rule == "" {
		return "has decided nothing yet"
	}
	if b.Closed != "" {
		return fmt.Sprintf("takes nothing: %s (policy %s, rule %s)", b.Closed, b.Why.Policy, b.Why.Rule)
	}
	return fmt.Sprintf("takes while %d or more wait: %s (policy %s, rule %s)", b.Why.MinPending, b.Why.Reason, b.Why.Policy, b.Why.Rule)
}

// presenceText says of a member that isn't simply there what became of it.
func presenceText(m heartbeat.Member) string {
	ago := durationText(time.Since(m.Heard)) + " ago"
	switch m.Presence {
	case heartbeat.Draining:
		return "draining"
	case heartbeat.Stopped:
		return "stopped " + ago
	case heartbeat.Dead:
		return "silent, last heard " + ago
	}
	return ""
}
