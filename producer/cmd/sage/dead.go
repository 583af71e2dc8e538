package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// deadCommands look at dead letters. None of them changes anything.
type deadCommands struct {
	List   deadListCommand   `cmd:"" help:"List dead letters, or count them by code."`
	Show   deadShowCommand   `cmd:"" help:"Show one dead letter with its message."`
	Export deadExportCommand `cmd:"" help:"Write dead letters with their messages, for work elsewhere."`
}

// letterFlags choose dead letters.
type letterFlags struct {
	Mailbox string `placeholder:"NAME" help:"Only of this mailbox (casilla)."`
	Code    string `placeholder:"CODE" help:"Only with this code."`
	Since   since  `placeholder:"WHEN" help:"Only since 15m ago, or since 2030-01-31T18:00:00Z."`
	After   uint64 `placeholder:"POSITION" help:"Only behind this position: how to go on."`
	All     bool   `help:"Also what was redriven."`
}

func (f letterFlags) filter() queue.LetterFilter {
	return queue.LetterFilter{Mailbox: f.Mailbox, Code: f.Code, Since: f.Since.Time, After: f.After, All: f.All}
}

type deadListCommand struct {
	letterFlags
	Limit int  `default:"100" help:"List so many; 0 is all."`
	Group bool `help:"Count them by mailbox and code instead."`
	JSON  bool `name:"json" help:"Print one line of JSON for each."`
}

// Help explains the columns.
func (deadListCommand) Help() string {
	return `Lists executions that are DEAD and messages that were refused, oldest first: their position, time, mailbox, ` +
		`execution and generation (a refused message is called @stream-sequence), code and reason.

	sage dead list --mailbox ventas --since 24h
	sage dead list --group

Exit codes:

	0  whatever was found
	2  wrong usage, or a system failure`
}

// Validate refuses what can be parsed but makes no sense.
func (c deadListCommand) Validate() error {
	if c.Limit < 0 {
		return fmt.Errorf("--limit: %d is no number of letters", c.Limit)
	}
	return nil
}

// Run lists dead letters.
func (c deadListCommand) Run(ctx context.Context, a *app) error {
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	if c.Group {
		return c.group(a, queue.Letters(ctx, js, c.filter()))
	}
	n := 0
	var last queue.Letter
	for l, err := range queue.Letters(ctx, js, c.filter()) {
		if err != nil {
			return err
		}
		if c.Limit > 0 && n == c.Limit {
			_, _ = fmt.Fprintf(a.stderr, "there are more; go on with --after %d\n", last.Position)
			return nil
		}
		if err := c.print(a, l); err != nil {
			return err
		}
		n, last = n+1, l
	}
	if n == 0 {
		_, _ = fmt.Fprintln(a.stderr, "no dead letters")
	}
	return nil
}

func (c deadListCommand) print(a *app, l queue.Letter) error {
	if c.JSON {
		return printJSON(a.stdout, l)
	}
	reason := printable(l.Reason)
	if l.Redriven != "" {
		reason = "redriven " + printable(l.Redriven)
	}
	const most = 100
	if text := []rune(reason); len(text) > most {
		reason = string(text[:most]) + "…"
	}
	_, err := fmt.Fprintf(a.stdout, "%7d  %s  %-12s  %-24s  %-18s  %s\n", l.Position, l.Stored.UTC().Format(time.RFC3339),
		printable(l.Mailbox), letterName(l), printable(l.Code), reason)
	return err
}

// letterName is the execution, and its generation when it was redriven.
func letterName(l queue.Letter) string {
	if l.Generation > 1 {
		return fmt.Sprintf("%s (%d)", printable(l.Name), l.Generation)
	}
	return printable(l.Name)
}

// deadGroup counts letters that died of the same.
type deadGroup struct {
	Mailbox string    `json:"mailbox"`
	Code    string    `json:"code"`
	Count   int       `json:"count"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Example string    `json:"example"` // the newest
}

func (c deadListCommand) group(a *app, letters iter.Seq2[queue.Letter, error]) error {
	groups := map[[2]string]*deadGroup{}
	for l, err := range letters {
		if err != nil {
			return err
		}
		g := groups[[2]string{l.Mailbox, l.Code}]
		if g == nil {
			g = &deadGroup{Mailbox: l.Mailbox, Code: l.Code, First: l.Stored}
			groups[[2]string{l.Mailbox, l.Code}] = g
		}
		g.Count, g.Last, g.Example = g.Count+1, l.Stored, l.Name
	}
	var sorted []*deadGroup
	for _, g := range groups {
		sorted = append(sorted, g)
	}
	slices.SortFunc(sorted, func(x, y *deadGroup) int {
		return cmp.Or(y.Count-x.Count, strings.Compare(x.Mailbox+" "+x.Code, y.Mailbox+" "+y.Code))
	})
	for _, g := range sorted {
		var err error
		if c.JSON {
			err = printJSON(a.stdout, g)
		} else {
			_, err = fmt.Fprintf(a.stdout, "%7d  %-12s  %-18s  %s to %s, such as %s\n", g.Count, printable(g.Mailbox), printable(g.Code),
				g.First.UTC().Format(time.RFC3339), g.Last.UTC().Format(time.RFC3339), printable(g.Example))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type deadShowCommand struct {
	Name       string `arg:"" help:"Execution id, or @stream-sequence of a refused message, as the list shows it."`
	Mailbox    string `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) it was submitted to."`
	Generation int    `placeholder:"N" help:"Generation; the last one that is DEAD when not given."`
	Raw        bool   `help:"Print the message's payload only, byte by byte."`
	JSON       bool   `name:"json" help:"Print one line of JSON."`
}

// Help gives an example, and documents the exit codes.
func (deadShowCommand) Help() string {
	return `Prints why, the headers, and the message as it came.

	sage dead show lunes --mailbox ventas
	sage dead show lunes --mailbox ventas --raw >request.json

Exit codes:

	0  there is one
	2  there is none, wrong usage, or a system failure`
}

// Run shows a dead letter.
func (c deadShowCommand) Run(ctx context.Context, a *app) error {
	if err := c.validate(); err != nil { // before the names become subjects
		return err
	}
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	l, err := queue.LastLetter(ctx, js, c.Mailbox, c.Name, c.Generation)
	if err != nil {
		return noLetter(err, c.Mailbox, c.Name)
	}
	told, err := a.viewed(ctx, js, func(yield func(queue.Letter, error) bool) { yield(l, nil) })
	if err != nil {
		return err
	}
	for _, err := range told {
		if err != nil {
			return err
		}
	}
	switch {
	case c.Raw:
		_, err = a.stdout.Write(l.Data)
	case c.JSON:
		err = printJSON(a.stdout, producer.Whole(l))
	default:
		err = c.print(a, l)
	}
	return err
}

func (c deadShowCommand) validate() error {
	if err := execution.ValidateMailbox(c.Mailbox); err != nil {
		return err
	}
	return execution.ValidateID(strings.TrimPrefix(c.Name, "@"))
}

func (c deadShowCommand) print(a *app, l queue.Letter) error {
	name := fmt.Sprintf("%s in mailbox %s, generation %d", printable(l.Name), printable(l.Mailbox), l.Generation)
	if l.Refused() {
		name = fmt.Sprintf("%s in mailbox %s: no execution, and can't be redriven", printable(l.Name), printable(l.Mailbox))
	}
	table := [][2]string{{"letter", name}, {"reason", printable(l.Reason)}, {"stored", l.Stored.Local().Format(time.DateTime + " MST")}}
	if l.Redriven != "" {
		table = append(table, [2]string{"redriven", printable(l.Redriven)})
	}
	for i, h := range headerLines(l.Header) {
		title := ""
		if i == 0 {
			title = "headers"
		}
		table = append(table, [2]string{title, printable(h)})
	}
	if err := rows(a.stdout, table); err != nil {
		return err
	}
	lines := strings.Split(indented(l.Data), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	body := strings.Join(lines, "\n")
	_, err := fmt.Fprintf(a.stdout, "\n%s\n", strings.TrimRight(body, "\n"))
	if err == nil && !l.Refused() && l.Redriven == "" {
		k := execution.Key{Mailbox: l.Mailbox, ID: l.Name, Generation: l.Generation}
		_, err = fmt.Fprintf(a.stdout, "\n%s\n", command("redrive", k, ""))
	}
	return err
}
