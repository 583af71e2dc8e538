package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
)

type statusCommand struct {
	ID      string `arg:"" name:"id" help:"Execution id."`
	Mailbox string `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) it was submitted to."`
	JSON    bool   `name:"json" help:"Print one line of JSON."`
}

// Help documents the exit codes.
func (statusCommand) Help() string {
	return `Says which state an execution is in, of its newest generation if it was redriven, and how it ended.

	sage status lunes --mailbox ventas

Exit codes:

	0  the execution is known, however it stands
	2  it isn't known, wrong usage, or a system failure`
}

// Run prints where an execution stands.
func (c statusCommand) Run(ctx context.Context, a *app) error {
	tracker, nc, err := a.openTracker(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	s, err := tracker.Status(ctx, c.Mailbox, c.ID)
	if err != nil {
		return err
	}
	js, err := bus.Open(nc)
	if err != nil {
		return err
	}
	ledger, err := openLedger(ctx, js)
	if err != nil {
		return err
	}
	e, _, err := ledger.Load(ctx, s.Key)
	if err != nil {
		return err
	}
	if c.JSON {
		shown := delegatedStatus{Status: s}
		if e.State != "" {
			shown.Delegation = &e
		}
		return printJSON(a.stdout, shown)
	}
	if err := a.printStatus(s); err != nil || e.State == "" {
		return err
	}
	return rows(a.stdout, [][2]string{{"delegated", delegationText(e, time.Now())}})
}

// delegatedStatus is a status and the last delegation, if there was one.
type delegatedStatus struct {
	producer.Status
	Delegation *delegation.Entry `json:"delegation,omitempty"`
}

// printStatus prints what a person wants to know, in the order of the questions.
func (a *app) printStatus(s producer.Status) error {
	name := s.ID + " in mailbox " + s.Mailbox
	if s.Generation > 1 {
		name += fmt.Sprintf(", generation %d", s.Generation)
	}
	table := [][2]string{{"execution", name}, {"state", a.stateText(s)}}
	if s.Summary != nil {
		table = append(table, [2]string{"data", summaryText(*s.Summary)})
	}
	if s.CachedFrom != nil {
		table = append(table, [2]string{"cached", printable("from " + s.CachedFrom.ExecutionID + ", of " + s.CachedFrom.Made.Format(time.DateTime) + " UTC")})
	}
	if s.Executor != "" && s.Executor != execution.ByOperator {
		table = append(table, [2]string{"executor", printable(s.Executor + " on " + s.Host)})
	}
	if s.Attempts > 0 {
		table = append(table, [2]string{"attempts", fmt.Sprint(s.Attempts)})
	}
	table = append(table, timeRows(s, time.Now())...)
	if s.Usage != nil {
		table = append(table, [2]string{"billed", fmt.Sprintf("%d ms at %d MB, %s USD", s.Usage.BilledMillis, s.Usage.MemoryMB, usdText(s.Usage.CostUSD))})
	}
	if e := s.Erased; e != nil {
		table = append(table, [2]string{"erased", printable(e.At.Local().Format("2006-01-02 15:04:05 MST") + " by " + e.By)})
	}
	if s.Fault != nil {
		table = append(table, [2]string{"cause", headline(s.Fault)})
		for _, line := range details(s.Fault) {
			table = append(table, [2]string{"", line})
		}
	}
	if len(s.Files) > 0 {
		table = append(table, [2]string{"files", filesText(s.Files)},
			[2]string{"", command("fetch", s.Key, "--to "+s.ID)})
	}
	return rows(a.stdout, table)
}

func (a *app) stateText(s producer.Status) string {
	switch s.State {
	case execution.Accepted:
		if s.Started.IsZero() {
			return tint(a.stdout, yellow, string(s.State)) + " (waiting)"
		}
		return tint(a.stdout, yellow, string(s.State)) + " (handed back, waiting again)"
	case execution.Succeeded.Terminal():
		if s.Summary != nil && s.Summary.Errors > 0 {
			return tint(a.stdout, yellow, string(s.State)) + " (the data has errors)"
		}
		return tint(a.stdout, green, string(s.State))
	case execution.Dead.Terminal():
		return tint(a.stdout, red, string(s.State)) + " (the data could not be checked)"
	case execution.Cancelled.Terminal():
		return tint(a.stdout, yellow, string(s.State)) + " (the data was not checked)"
	default:
		return tint(a.stdout, yellow, string(s.State))
	}
}

func summaryText(s execution.Summary) string {
	return strings.Join([]string{count(s.Records, "record"), count(s.Errors, "error"), count(s.Warnings, "warning")}, ", ")
}

// timeRows says when it was accepted, and how long it waited and ran, until now if
// it still does.
func timeRows(s producer.Status, now time.Time) [][2]string {
	if s.Enqueued.IsZero() {
		return nil
	}
	table := [][2]string{{"accepted", s.Enqueued.Local().Format("2006-01-02 15:04:05 MST")}}
	switch {
	case s.State.Terminal() && s.Started.IsZero():
		table = append(table, [2]string{"waited", durationText(s.Finished.Sub(s.Enqueued))})
	case s.State == execution.Accepted || s.Started.IsZero():
		table = append(table, [2]string{"waiting", "for " + durationText(now.Sub(s.Enqueued))})
	case s.State == execution.Running:
		table = append(table, [2]string{"running", "for " + durationText(now.Sub(s.Started))})
	case !s.Finished.IsZero():
		table = append(table,
			[2]string{"waited", durationText(s.Started.Sub(s.Enqueued))}, [2]string{"ran", durationText(s.Finished.Sub(s.Started))})
	}
	return table
}

func filesText(files []execution.File) string {
	total := int64(0)
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = printable(f.Name)
		total += f.Size
	}
	const most = 8
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return fmt.Sprintf("%s, %s: %s", count(len(files), "file"), bytesText(total), strings.Join(names, " "))
}

// stepText is one line of a wait.
func stepText(s producer.Status) string {
	switch s.State {
	case execution.Running:
		text := fmt.Sprintf("running on %s %s", s.Executor, s.Host)
		if s.Attempts > 1 {
			text += fmt.Sprintf(", attempt %d", s.Attempts)
		}
		return text
	case execution.RetryWait:
		text := fmt.Sprintf("attempt %d failed, another will follow", s.Attempts)
		if s.Fault != nil {
			text += ": " + headline(s.Fault)
		}
		return text
	case execution.Accepted:
		return "handed back, waiting for a worker"
	}
	return strings.ToLower(string(s.State))
}
