package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
)

type waitCommand struct {
	ID      string        `arg:"" name:"id" help:"Execution id."`
	Mailbox string        `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) it was submitted to."`
	Timeout time.Duration `placeholder:"15m" help:"Wait no longer than this; the execution goes on."`
	JSON    bool          `name:"json" help:"Print one line of JSON."`
}

// Help documents the exit codes.
func (waitCommand) Help() string {
	return `Waits for the end of an execution, of its newest generation if it was redriven, and prints how it ended.

	sage wait lunes --mailbox ventas --timeout 10m

Exit codes:

	0    executed without errors in the data
	1    executed and there are errors in the data
	2    it isn't known, wrong usage, or a system failure
	3    DEAD or cancelled: the data was not checked
	4    not ended when --timeout was over; the execution goes on
	130  interrupted; the execution goes on`
}

// Validate refuses what can be parsed but makes no sense.
func (c waitCommand) Validate() error { return validTimeout(c.Timeout) }

// Run waits for the end of an execution.
func (c waitCommand) Run(ctx context.Context, a *app) error {
	tracker, nc, err := a.openTracker(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	newest, err := tracker.Status(ctx, c.Mailbox, c.ID)
	if err != nil {
		return err
	}
	show := a.newProgress()
	defer show.end()
	s, err := following{c.Timeout, c.JSON}.wait(ctx, a, tracker, newest.Key, show)
	if err != nil {
		return err
	}
	return a.printEnd(s, c.JSON)
}

func validTimeout(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("--timeout: %v is no time to wait", d)
	}
	return nil
}

var errTimeout = errors.New("the time to wait is over")

// following is a wait for the end of one generation.
type following struct {
	timeout time.Duration // 0 is none
	json    bool
}

// wait waits for the end of k and shows what happens.
func (f following) wait(ctx context.Context, a *app, tracker *producer.Tracker, k execution.Key, show *progress) (producer.Status, error) {
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout, errTimeout)
		defer cancel()
	}
	show.phase("waiting for a worker")
	s, err := tracker.Wait(ctx, k, func(s producer.Status) { show.say(stepText(s)) })
	show.end()
	if err != nil {
		return s, f.stillOpen(ctx, a, s, err)
	}
	return s, nil
}

// stillOpen tells of a wait that was given up. The execution goes on.
func (f following) stillOpen(ctx context.Context, a *app, s producer.Status, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if f.json {
		if err := printJSON(a.stdout, s); err != nil {
			return err
		}
	}
	code, why := exitInterrupt, "interrupted"
	if errors.Is(err, errTimeout) {
		code, why = exitTimeout, "not ended after "+f.timeout.String()
	}
	_, _ = fmt.Fprintf(a.stderr, "%s %s; the execution is %s and goes on\n  hint: see `%s`\n",
		tint(a.stderr, red, "sage:"), why, s.State, command("status", s.Key, ""))
	return exit(code)
}

// printEnd prints how an execution ended, and returns the exit code for it.
func (a *app) printEnd(s producer.Status, asJSON bool) error {
	print := a.printStatus
	if asJSON {
		print = func(s producer.Status) error { return printJSON(a.stdout, s) }
	}
	if err := print(s); err != nil {
		return err
	}
	switch {
	case s.State != execution.Succeeded.Terminal():
		return exit(exitDead)
	case s.Summary != nil && s.Summary.Errors > 0:
		return exit(exitDataErrors)
	}
	return nil
}
