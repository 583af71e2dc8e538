package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/outcome"
)

type verifyCommand struct {
	Mailbox  string        `placeholder:"NAME" help:"Only this mailbox."`
	Since    since         `placeholder:"WHEN" help:"Only what ended or was accepted since 24h ago, or since 2030-01-31T18:00:00Z."`
	Accepted string        `type:"existingfile" placeholder:"FILE" help:"Executions that are known to be accepted, mailbox:id or mailbox:id:generation, one a line: each must have ended or wait."`
	Ended    bool          `help:"Everything must have ended: what waits or runs is a violation too."`
	Bytes    bool          `help:"Read large results, too, to compare their bytes; else only their size is."`
	Kept     time.Duration `placeholder:"DURATION" env:"RETAIN_ATTEMPTS" default:"720h" help:"A large result that is gone sooner after its end is a violation; 0 is never."`
	JSON     bool          `name:"json" help:"Print one line of JSON."`
}

// Help documents what is compared and the exit codes.
func (verifyCommand) Help() string {
	return `Compares the outcomes in storage with the accepted requests, the records, the events, the dead
letters, and what still waits, and the results with their SHA-256: those inside the outcomes always,
large ones with --bytes, which reads them all. It only reads, takes little memory however much there is, and may be
run while the fleet works: what may be under way is no violation. Events that retention has removed
are not missed.

	sage verify --mailbox ventas --since 24h
	sage verify --accepted accepted.txt --ended --bytes

Exit codes:

	0    nothing is violated
	1    something is
	2    wrong usage, or a system failure
	130  interrupted`
}

// guarantees are in the order in which they are shown.
var guarantees = []struct {
	id   history.Guarantee
	text string
}{
	{history.OneEnd, "an end is told and recorded as it is stored"},
	{history.OneResult, "at most one result is committed"},
	{history.Unchanged, "what was committed stays as it was"},
	{history.NotLost, "what was accepted has ended, or waits"},
	{history.Complete, "an end has its record, its event and, when DEAD, its dead letter"},
	{history.OneRedrive, "a generation follows one that is DEAD"},
	{history.NoGhosts, "nothing from before a redrive commits into it"},
	{history.Durable, "what is known to be accepted has left a trace"},
}

// Run verifies.
func (c verifyCommand) Run(ctx context.Context, a *app) error {
	objects, err := a.open(ctx)
	if err != nil {
		return err
	}
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	p := a.newProgress()
	defer p.end()
	opts := history.Options{Objects: objects, Mailbox: c.Mailbox, Since: c.Since.Time, Ended: c.Ended, Bytes: c.Bytes, Kept: c.Kept,
		Progress: func(what string, n int) { p.phase(fmt.Sprintf("read %d %s", n, what)) }}
	var problem error
	if c.Accepted != "" {
		opts.Accepted = listed(c.Accepted, &problem)
	}
	r, err := history.Verify(ctx, js, outcome.New(objects), opts)
	p.end()
	if err := errors.Join(problem, err); err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(a.stdout, r)
	} else {
		err = printVerified(a.stdout, r)
	}
	if err == nil && !r.Clean() {
		return exit(exitViolated)
	}
	return err
}

// listed yields the keys in a file, as long as it can be read.
func listed(file string, problem *error) iter.Seq[execution.Key] {
	return func(yield func(execution.Key) bool) {
		f, err := os.Open(file)
		if err != nil {
			*problem = err
			return
		}
		defer func() { _ = f.Close() }()
		lines := bufio.NewScanner(f)
		for n := 1; lines.Scan(); n++ {
			text := strings.TrimSpace(lines.Text())
			if text == "" {
				continue
			}
			k, err := parseKey(text)
			if err != nil {
				*problem = fmt.Errorf("%s:%d: %w", file, n, err)
				return
			}
			if !yield(k) {
				return
			}
		}
		*problem = lines.Err()
	}
}

func parseKey(text string) (execution.Key, error) {
	parts := strings.Split(text, ":")
	k := execution.Key{Generation: 1}
	var err error
	switch len(parts) {
	case 3:
		k.Generation, err = strconv.Atoi(parts[2])
		fallthrough
	case 2:
		k.Mailbox, k.ID = parts[0], parts[1]
	default:
		err = fmt.Errorf("%q: want mailbox:id or mailbox:id:generation", text)
	}
	if err != nil {
		return k, err
	}
	return k, k.Validate()
}

// resultsText says how the results were compared.
func resultsText(r history.Report) string {
	text := bytesText(r.Hashed) + " compared with their SHA-256"
	if r.Sized > 0 {
		text += fmt.Sprintf("; of %s only the size: --bytes reads them", count(r.Sized, "large file"))
	}
	if r.Gone > 0 {
		text += fmt.Sprintf("; %s deleted since, as retention does", count(r.Gone, "large file"))
	}
	return text
}

func printVerified(w io.Writer, r history.Report) error {
	table := [][2]string{{"executions", fmt.Sprintf("%d: %d succeeded, %d dead, %d cancelled, %d waiting or running, %d lost",
		r.Accepted, r.Succeeded, r.Dead, r.Cancelled, r.Open, r.Lost)}}
	if r.Refused > 0 {
		table = append(table, [2]string{"refused", count(r.Refused, "message") + " that named no execution"})
	}
	if !r.EventsSince.IsZero() {
		table = append(table, [2]string{"events", "kept since " + r.EventsSince.UTC().Format("2006-01-02 15:04:05 MST") + "; what ended before can't be compared with them"})
	}
	if r.Large+r.Sized+r.Gone > 0 {
		table = append(table, [2]string{"results", resultsText(r)})
	}
	for _, g := range guarantees {
		verdict := tint(w, green, "ok")
		if n := r.Violations[g.id]; n > 0 {
			verdict = tint(w, red, count(n, "violation"))
		}
		table = append(table, [2]string{string(g.id) + " " + g.text, verdict})
	}
	if err := rows(w, table); err != nil {
		return err
	}
	total := 0
	for _, n := range r.Violations {
		total += n
	}
	for i, f := range r.Findings {
		const shown = 100
		if i == shown {
			break
		}
		at := ""
		if len(f.Events) > 0 {
			at = fmt.Sprintf(" (events %s)", strings.Trim(fmt.Sprint(f.Events), "[]"))
		}
		if _, err := fmt.Fprintf(w, "\n%s %s\n  %s%s\n  hint: %s\n", f.Guarantee, printable(f.Key.String()), printable(f.What), at, f.Do); err != nil {
			return err
		}
		if i == shown-1 && total > shown {
			_, err := fmt.Fprintf(w, "\n… and %d more; --json lists %d\n", total-shown, len(r.Findings))
			return err
		}
	}
	return nil
}
