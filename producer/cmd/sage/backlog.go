package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/queue"
)

type backlogCommand struct {
	JSON bool `name:"json" help:"Print one line of JSON."`
}

// Help gives an example, and documents the exit codes.
func (backlogCommand) Help() string {
	return `Counts executions that wait and that run, retries that wait for their time, and dead letters.

	sage backlog

Exit codes:

	0  whatever was found
	2  wrong usage, or a system failure`
}

// Run counts the backlog.
func (c backlogCommand) Run(ctx context.Context, a *app) error {
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	b, err := queue.Lag(ctx, js)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a.stdout, b)
	}
	return a.printBacklog(b)
}

func (a *app) printBacklog(b queue.Backlog) error {
	numbers := [][3]string{
		{"waiting", strconv.FormatUint(b.Waiting, 10), "nobody has it yet"},
		{"in flight", strconv.Itoa(b.InFlight), "with a worker or the bridge"},
		{"local", strconv.FormatUint(b.Local, 10), "waiting, for workers only"},
		{"later", strconv.FormatUint(b.Later, 10), "retries that wait for their time"},
		{"dead", strconv.FormatUint(b.Dead, 10), "dead letters"},
	}
	width := 0
	for _, n := range numbers {
		width = max(width, len(n[1]))
	}
	table := make([][2]string, len(numbers))
	for i, n := range numbers {
		table[i] = [2]string{n[0], fmt.Sprintf("%*s  %s", width, n[1], n[2])}
	}
	if err := rows(a.stdout, table); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, `
The same, and more, with the nats command:
  nats stream report
  nats consumer info %[1]s %[2]s
  nats consumer info %[1]s %[3]s
  nats stream subjects %[4]s
  nats stream view %[5]s
`, bus.StreamExecutions, bus.ConsumerFleet, bus.ConsumerLocal, bus.StreamLater, bus.StreamDead)
	return err
}
