package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
)

type explainCommand struct {
	ID      string `arg:"" name:"id" help:"Execution id."`
	Mailbox string `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) it was submitted to."`
	JSON    bool   `name:"json" help:"Print one line of JSON."`
}

// Help documents the exit codes.
func (explainCommand) Help() string {
	return `Reads the events of the execution, which are kept for EVENTS_MAX_AGE.

	sage explain lunes --mailbox ventas

Exit codes:

	0  the execution is known, however it stands
	2  it isn't known, wrong usage, or a system failure`
}

// Run prints why an execution ran where it ran.
func (c explainCommand) Run(ctx context.Context, a *app) error {
	objects, err := a.open(ctx)
	if err != nil {
		return err
	}
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	tracker, err := a.tracker(ctx, js, objects)
	if err != nil {
		return err
	}
	e, err := tracker.Explain(ctx, c.Mailbox, c.ID)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a.stdout, e)
	}
	return a.printExplanation(e)
}

func (a *app) printExplanation(e producer.Explanation) error {
	name := e.ID + " in mailbox " + e.Mailbox
	if e.Generation > 1 {
		name += fmt.Sprintf(", generation %d", e.Generation)
	}
	table := [][2]string{{"execution", name}, {"state", a.stateText(e.Status)}}
	if !e.Enqueued.IsZero() {
		table = append(table, [2]string{clock(e.Enqueued), "accepted"})
	}
	for _, s := range e.Steps {
		for i, line := range stepLines(s) {
			at := ""
			if i == 0 {
				at = clock(s.At)
			}
			table = append(table, [2]string{at, printable(line)})
		}
	}
	if len(e.Steps) == 0 {
		text := "waits for its turn; `sage fleet` shows who could take it"
		if e.State.Terminal() {
			text = "its events are kept no longer"
		}
		table = append(table, [2]string{"", text})
	}
	return rows(a.stdout, table)
}

func clock(t time.Time) string { return t.Local().Format("15:04:05.000") }

// stepLines say what one event means.
func stepLines(s producer.Step) []string {
	switch s.Kind {
	case execution.EventStarted:
		return startedLines(s)
	case execution.EventReturned:
		return []string{fmt.Sprintf("put back by bridge %s, without charging an attempt", s.Host) + billedText(s), "  because " + s.Reason}
	case execution.EventViewed:
		return []string{"viewed: " + s.Reason}
	case execution.EventRetry:
		return []string{fmt.Sprintf("attempt %d failed, another will follow", s.Number) + billedText(s), "  because " + s.Reason}
	}
	text := strings.ToLower(string(s.State))
	if s.Kind != text {
		text = s.Kind
	}
	if !s.Started.IsZero() && !s.Finished.IsZero() && s.Kind != execution.EventRedriven {
		text += fmt.Sprintf(" after running for %s on %s", durationText(s.Finished.Sub(s.Started)), place(s.Executor))
	}
	lines := []string{text + billedText(s)}
	if s.Reason != "" {
		lines = append(lines, "  because "+s.Reason)
	}
	return lines
}

func billedText(s producer.Step) string {
	if s.Usage == nil {
		return ""
	}
	return fmt.Sprintf(", billed %d ms, %s USD", s.Usage.BilledMillis, usdText(s.Usage.CostUSD))
}

func place(executor string) string {
	if executor == execution.OnLambda {
		return "a Lambda"
	}
	return "a " + executor
}

func startedLines(s producer.Step) []string {
	where := "worker " + s.Host
	if s.Executor == execution.OnLambda {
		where = "a Lambda, by bridge " + s.Host
	}
	first := "started on " + where
	if s.Number > 1 {
		first = fmt.Sprintf("attempt %d %s", s.Number, first)
	}
	if waited := s.At.Sub(s.Enqueued); !s.Enqueued.IsZero() {
		first += ", " + durationText(waited) + " after it was accepted"
	}
	lines := []string{first}
	w := s.Why
	if w == nil {
		return lines
	}
	if w.Rule == execution.RuleSlot {
		lines = append(lines, "  because the worker had a free slot when it was its turn")
	} else {
		lines = append(lines, fmt.Sprintf("  because of rule %s of policy %s: %s", w.Rule, w.Policy, w.Reason))
	}
	if w.Signals != nil {
		lines = append(lines, "  "+numbersText(*w.Signals, w.Rule == execution.RuleSlot))
	}
	return lines
}

// numbersText is what a decision was made by. A worker knows only of itself.
func numbersText(s execution.Signals, own bool) string {
	parts := []string{fmt.Sprintf("%d more waited", s.Pending)}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if own {
		add("%d of its %d slots were busy", s.Busy, s.Slots)
		return strings.Join(parts, ", ")
	}
	if s.HeadAgeMillis > 0 {
		add("the oldest for %s", durationText(time.Duration(s.HeadAgeMillis)*time.Millisecond))
	}
	add("%d were in flight, %d of them with bridges", s.AckPending, s.Delegated)
	if s.Slots > 0 {
		add("%d of %d slots of workers were busy", s.Busy, s.Slots)
	} else {
		add("no worker was heard")
	}
	if s.CPU > 0 {
		add("CPU %.0f %%", s.CPU)
	}
	if s.DeadlineMillis > 0 {
		add("deadline %s", durationText(time.Duration(s.DeadlineMillis)*time.Millisecond))
	}
	if s.CloudMillis > 0 {
		add("the cloud takes %s", durationText(time.Duration(s.CloudMillis)*time.Millisecond))
	}
	if s.Throttled {
		add("throttled")
	}
	return strings.Join(parts, ", ")
}
