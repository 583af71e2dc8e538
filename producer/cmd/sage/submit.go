package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

type submitCommand struct {
	Config  string   `arg:"" help:"Configuration: a file in YAML, - for standard input, or the name of one that the mailbox keeps."`
	Data    []string `arg:"" help:"Files to execute together, as one execution."`
	Mailbox string   `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) to submit to."`
	ID      string   `name:"id" placeholder:"ID" help:"Execution id; made up when not given. Submitting the same files again under the same id is harmless."`
	Sender  string   `placeholder:"NAME" help:"Sender (emisor), as the report shows it."`
	Method  string   `default:"cli" help:"How the files arrived, as the report shows it."`
	Class   string   `placeholder:"NAME" help:"Service class."`

	Deadline deadline      `placeholder:"WHEN" help:"When the report should be there: 15m from now, or 2030-01-31T18:00:00Z. Late work still runs."`
	Wait     bool          `short:"w" help:"Wait for the end and print the summary."`
	Timeout  time.Duration `placeholder:"15m" help:"Wait no longer than this; the execution goes on. Implies --wait."`
	JSON     bool          `name:"json" help:"Print one line of JSON."`
}

// Help documents the exit codes.
func (submitCommand) Help() string {
	return `Stores the files, publishes the request, and prints the id once the fleet has accepted it.

	sage submit ventas.yaml ventas.csv --mailbox ventas --wait
	sage submit diaria lunes.csv martes.csv --mailbox ventas --id semana-7 --deadline 30m

Exit codes:

	0    accepted; with --wait, executed without errors in the data
	1    with --wait, executed and there are errors in the data
	2    wrong usage or configuration, or a system failure
	3    with --wait, DEAD or cancelled: the data was not checked
	4    not ended when --timeout was over; the execution goes on
	130  interrupted; what was accepted goes on`
}

// Validate refuses what can be parsed but makes no sense.
func (c submitCommand) Validate() error { return validTimeout(c.Timeout) }

// deadline is a time, or a duration from now.
type deadline struct{ time.Time }

// UnmarshalText accepts both forms.
func (d *deadline) UnmarshalText(text []byte) error {
	if after, err := time.ParseDuration(string(text)); err == nil && after > 0 {
		d.Time = time.Now().Add(after).UTC().Truncate(time.Second)
		return nil
	}
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return fmt.Errorf("%q is neither a duration above 0 such as 15m nor a time such as 2030-01-31T18:00:00Z", text)
	}
	d.Time = at.UTC()
	return nil
}

// Run submits and, if it is asked to, waits.
func (c submitCommand) Run(ctx context.Context, a *app) error {
	flush, err := sendTraces(ctx)
	if err != nil {
		return err
	}
	defer flush()
	submission, err := c.submission(ctx, a)
	if err != nil {
		return err
	}
	objects, err := a.open(ctx)
	if err != nil {
		return err
	}
	nc, js, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	show := a.newProgress()
	defer show.end()
	show.phase("storing " + count(len(submission.Files), "file"))
	request, err := producer.New(js, objects).Submit(ctx, submission)
	if err != nil {
		return err
	}
	if !c.Wait && c.Timeout == 0 {
		show.end()
		return c.printAccepted(a, request)
	}
	tracker, err := a.tracker(ctx, js, objects)
	if err != nil {
		return err
	}
	show.say("accepted " + request.ID)
	k := request.Key()
	if newest, err := tracker.Status(ctx, k.Mailbox, k.ID); err == nil {
		k = newest.Key // it may have been redriven
	}
	s, err := following{c.Timeout, c.JSON}.wait(ctx, a, tracker, k, show)
	if err != nil {
		return err
	}
	if s.RequestDigest != request.Digest() {
		return fault.New(execution.CodeConflict, "execution %s of mailbox %s ended with other content", k.ID, k.Mailbox).
			Expecting("the same configuration and files under the same id").Advise("submit under another id")
	}
	return a.printEnd(s, c.JSON)
}

// submission reads the configuration and looks at the files, so that what can be
// known to be wrong is refused before anything is stored.
func (c submitCommand) submission(ctx context.Context, a *app) (producer.Submission, error) {
	s := producer.Submission{Mailbox: c.Mailbox, ID: c.ID, Sender: c.Sender, Method: c.Method, Class: c.Class, Deadline: c.Deadline.Time}
	name, text, err := a.resolveConfig(ctx, c.Mailbox, c.Config)
	if err != nil {
		return s, err
	}
	if err := a.refuseUseless(name, text, "submitted"); err != nil {
		return s, err
	}
	s.Config = text
	s.Files, err = inputFiles(c.Data)
	return s, err
}

func inputFiles(names []string) ([]producer.File, error) {
	files := make([]producer.File, 0, len(names))
	seen := map[string]string{}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, unreadable(err)
		}
		base := filepath.Base(name)
		switch earlier, twice := seen[base]; {
		case !info.Mode().IsRegular():
			return nil, fault.New(codeFile, "%s is no regular file", name).Advise("name the files themselves")
		case twice:
			return nil, fault.New(codeUsage, "%s and %s have the same name", earlier, name).
				Expecting("different names within one execution").Advise("rename one, or submit them apart")
		}
		seen[base] = name
		files = append(files, producer.File{Name: base, Open: func() (io.ReadCloser, error) {
			f, err := os.Open(name)
			if err != nil {
				return nil, unreadable(err)
			}
			return f, nil
		}})
	}
	return files, nil
}

// accepted is what --json prints of a request that nobody waits for.
type accepted struct {
	execution.Key
	State  execution.State   `json:"state"`
	Inputs []execution.Input `json:"input_files"`
}

func (c submitCommand) printAccepted(a *app, r execution.Request) error {
	if c.JSON {
		return printJSON(a.stdout, accepted{r.Key(), execution.Accepted, r.Inputs})
	}
	total := int64(0)
	for _, in := range r.Inputs {
		total += *in.Size
	}
	_, err := fmt.Fprintf(a.stdout, "accepted %s: %s, %s, in mailbox %s\n\n  %s\n  %s\n", tint(a.stdout, bold, r.ID),
		count(len(r.Inputs), "file"), bytesText(total), r.Mailbox,
		command("status", r.Key(), ""), command("fetch", r.Key(), "--to "+r.ID))
	return err
}

// command is a command line about an execution. It names every mailbox but the
// one that is meant when none is named.
func command(name string, k execution.Key, flags string) string {
	mailbox := ""
	if k.Mailbox != defaultMailbox() {
		mailbox = "--mailbox " + k.Mailbox
	}
	return strings.Join(strings.Fields("sage "+name+" "+k.ID+" "+mailbox+" "+flags), " ")
}

func defaultMailbox() string {
	if m := os.Getenv("SAGE_MAILBOX"); m != "" {
		return m
	}
	return "general"
}
