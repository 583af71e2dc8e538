package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
	"github.com/sagefleet/sagefleet/producer/frontier"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/planning"
)

type planCommand struct {
	From     string        `type:"existingfile" placeholder:"FILE" help:"Past executions, .csv or .jsonl, instead of the fleet's events."`
	Mailbox  string        `placeholder:"NAME" help:"Only this mailbox."`
	Since    since         `placeholder:"WHEN" help:"Only what ended since 24h ago, or since 2030-01-31T18:00:00Z."`
	Deadline time.Duration `required:"" help:"How long an execution may take from its acceptance to its end."`
	Late     float64       `default:"1" placeholder:"PERCENT" help:"How many may take longer (${default})."`
	Replicas []int         `default:"1,2,4,8" help:"Numbers of workers to try (${default})."`
	Slots    int           `default:"4" help:"Slots of a worker (${default})."`

	ReplicaPrice float64 `name:"replica-usd" default:"0.17" placeholder:"USD" help:"Price of a worker's hour (${default})."`
	Memory       float64 `default:"1024" placeholder:"MB" help:"The Lambda's memory (${default})."`
	GBSecond     float64 `name:"gb-second-usd" default:"0.0000133334" placeholder:"USD" help:"Price of its GB-second (${default}, arm64 in November 2026)."`
	Request      float64 `name:"request-usd" default:"0.0000002" placeholder:"USD" help:"Price of an invocation (${default})."`
	Concurrency  int     `default:"1000" help:"How many environments may run at once (${default})."`
	Budget       float64 `name:"budget-usd" placeholder:"USD" help:"What the Lambda may cost in an hour; no limit when not given."`

	Policy string `default:"threshold" enum:"threshold,slack,sized,local" help:"The policy that was in force, to measure how far the simulation is off (${default})."`
	Now    int    `placeholder:"N" help:"How many workers there were; the hosts in the events when not given."`

	JSON bool `name:"json" xor:"form" help:"Print one line of JSON."`
	CSV  bool `name:"csv" xor:"form" help:"Print the table as CSV."`

	SVG  string `name:"svg" placeholder:"FILE" help:"Also draw cost over late executions."`
	HTML string `name:"html" placeholder:"FILE" help:"Also write a page with that picture, the table and what was assumed."`
}

// Help documents the input, the marks and the exit codes.
func (planCommand) Help() string {
	return `Says what past executions would have cost and missed under each overflow policy and with each number
of workers, by simulation. A file of past executions has the columns enqueued, started, finished
(RFC 3339) and executor (worker or lambda), and may have init_ms and bytes; .jsonl has an object
with these fields on each line.

"exact" knows beforehand what each execution takes; no policy can. It is the lower bound.

Marks:

	"*"  nothing else misses no more for less money
	"<"  the cheapest with no more than --late percent late

	sage plan --deadline 30s --since 24h --html plan.html
	sage plan --deadline 5m --from past.csv --replicas 2,4,8

Exit codes:

	0    planned; also when nothing keeps --late
	2    wrong usage, no past executions, or a system failure
	130  interrupted`
}

// plan is what the command prints.
type plan struct{ planning.Answer }

// Run plans.
func (c planCommand) Run(ctx context.Context, a *app) error {
	if err := c.validate(); err != nil {
		return err
	}
	past, hosts, err := c.read(ctx, a)
	if err != nil {
		return err
	}
	if c.Now == 0 {
		c.Now = max(1, hosts)
	}
	answer, err := simulate.Answer(ctx, past, c.question())
	if fault.CodeOf(err) == planning.CodeNoHistory {
		return fault.New(planning.CodeNoHistory, "no past executions").Expecting("executions that have ended, with their times").
			Advise("take in more with --since, or give a file with --from")
	}
	if err != nil {
		return err
	}
	p := plan{answer}
	if err := p.draw(c); err != nil {
		return err
	}
	switch {
	case c.JSON:
		return printJSON(a.stdout, p)
	case c.CSV:
		return p.csv(a.stdout)
	}
	return p.print(a.stdout, c)
}

func (c planCommand) validate() error {
	refuse := func(flag string, value any, expected string) error {
		return fault.New(codeUsage, "--%s is %v", flag, value).Expecting("%s", expected)
	}
	switch {
	case c.Deadline <= 0:
		return refuse("deadline", c.Deadline, "a duration above 0")
	case c.Slots < 1:
		return refuse("slots", c.Slots, "1 or more")
	case c.Concurrency < 1:
		return refuse("concurrency", c.Concurrency, "1 or more")
	case !(c.Memory > 0):
		return refuse("memory", c.Memory, "megabytes above 0")
	case !(c.Budget >= 0):
		return refuse("budget-usd", c.Budget, "0 or more")
	case !(c.ReplicaPrice >= 0 && c.GBSecond >= 0 && c.Request >= 0):
		return refuse("…-usd", "negative", "0 or more")
	case len(c.Replicas) == 0:
		return refuse("replicas", "empty", "numbers of workers")
	}
	for _, n := range c.Replicas {
		if n < 1 {
			return refuse("replicas", n, "1 or more")
		}
	}
	return nil
}

func (c planCommand) question() planning.Question {
	return planning.Question{Deadline: c.Deadline, LatePercent: c.Late, Replicas: c.Replicas, Slots: c.Slots, ReplicaUSD: c.ReplicaPrice, MemoryMB: c.Memory,
		GBSecondUSD: c.GBSecond, RequestUSD: c.Request, Concurrency: c.Concurrency, BudgetUSD: c.Budget, Policy: c.Policy, Now: c.Now}
}

const planColumns = "workers\tpolicy\tlate %\tp50 s\tp99 s\tLambda $/h\ttotal $/1000\tLambda %\tidle %\tat once\t"

// cells are the columns but the last.
func cells(o planning.Option) []string {
	text := fmt.Sprintf("%d\t%s\t%.2f\t%.2f\t%.2f\t%.4f\t%.4f\t%.1f\t%.1f\t%d", o.Replicas, o.Policy, o.Missed, o.P50, o.P99, o.CloudPrice,
		o.PerThousand, o.Offloaded, o.Idle, o.Peak)
	return strings.Split(text, "\t")
}

func (p plan) print(out io.Writer, c planCommand) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, planColumns+"\t")
	for i, o := range p.Options {
		if i > 0 && o.Replicas != p.Options[i-1].Replicas {
			fmt.Fprintln(w, "\t\t\t\t\t\t\t\t\t\t\t")
		}
		fmt.Fprintf(w, "%s\t%s\t\n", strings.Join(cells(o), "\t"), marks(o))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	none := ""
	if _, kept := p.Cheapest(); !kept {
		none = "\n" + p.verdict()
	}
	fmt.Fprintf(out, `
*  nothing else misses no more for less money    <  the cheapest with at most %g %% later than %v
exact, the lower bound, knows beforehand what each execution takes.%s

`, c.Late, c.Deadline, none)
	for _, n := range p.notes(c) {
		for i, line := range n.Lines {
			name := ""
			if i == 0 {
				name = n.Name
			}
			if _, err := fmt.Fprintf(out, "%-11s  %s\n", name, line); err != nil {
				return err
			}
		}
	}
	return nil
}

// notes say what was assumed, and how far that is from what was.
func (p plan) notes(c planCommand) []frontier.Note {
	a := p.Assumed
	return []frontier.Note{
		{Name: "assumed", Lines: []string{
			fmt.Sprintf("%d executions arrive as they did, over %v; %d left out, whose times make no sense", a.Jobs, duration(a.Span), a.Negative),
			fmt.Sprintf("the size of %d of them is known, which sized judges by", a.Sized),
			fmt.Sprintf("the Lambda takes %.2f times what a worker takes (%s), and %.2f s more after a cold start (%s)", a.CloudToLocal, seen(a.RatioSeen), a.ColdStart, seen(a.ColdSeen)),
			fmt.Sprintf("a worker has %s and costs $%g an hour; the Lambda has %g MB at $%g a GB-second", count(c.Slots, "slot"), c.ReplicaPrice, c.Memory, c.GBSecond),
			fmt.Sprintf("and runs at most %d at once, of which 100 begin in a second", c.Concurrency),
			"messages, locks and storage take no time but what they took",
		}},
		{Name: "calibration", Lines: []string{
			fmt.Sprintf("%s with %s, simulated: %s", p.ReplayOf, count(p.ReplayWith, "worker"), outline(p.Replay)),
			"as it was:                     " + outline(p.Observed),
			fmt.Sprintf("the simulation is off by %s in the p50 and by %s in the p99", off(p.Replay.P50, p.Observed.P50), off(p.Replay.P99, p.Observed.P99)),
		}},
	}
}

func outline(r planning.Result) string {
	return fmt.Sprintf("p50 %.2f s, p99 %.2f s, %.1f %% on the Lambda, %.2f %% late", r.P50, r.P99, r.Offloaded, r.Missed)
}

func (p plan) verdict() string {
	o, kept := p.Cheapest()
	if !kept {
		return fmt.Sprintf("Nothing keeps %g %% late: try more workers.", p.LatePercent)
	}
	return fmt.Sprintf("%s with policy %s costs least while at most %g %% take longer than %v: $%.4f per 1,000 executions.", count(o.Replicas, "worker"), o.Policy,
		p.LatePercent, time.Duration(p.Deadline*float64(time.Second)), o.PerThousand)
}

func marks(o planning.Option) string {
	text := ""
	if o.Pareto {
		text += "*"
	}
	if o.Cheapest {
		text += "<"
	}
	return text
}

func seen(is bool) string {
	if is {
		return "as seen"
	}
	return "a guess: none was seen"
}

// off is by how much simulated differs from observed.
func off(simulated, observed float64) string {
	if observed <= 0 {
		return "an unknown amount"
	}
	return fmt.Sprintf("%+.0f %%", 100*(simulated/observed-1))
}

func duration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second)
}

func (p plan) csv(out io.Writer) error {
	w := csv.NewWriter(out)
	lines := [][]string{{"policy", "replicas", "miss_pct", "p50_s", "p99_s", "lambda_usd_per_h", "total_usd_per_1000", "offload_pct", "idle_pct",
		"peak_concurrency", "pareto", "cheapest", "bound"}}
	for _, o := range p.Options {
		line := []string{o.Policy, strconv.Itoa(o.Replicas)}
		for _, v := range []float64{o.Missed, o.P50, o.P99, o.CloudPrice, o.PerThousand, o.Offloaded, o.Idle, float64(o.Peak)} {
			line = append(line, strconv.FormatFloat(v, 'g', 6, 64))
		}
		lines = append(lines, append(line, strconv.FormatBool(o.Pareto), strconv.FormatBool(o.Cheapest), strconv.FormatBool(o.Bound)))
	}
	return w.WriteAll(lines)
}
