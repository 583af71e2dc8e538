package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/aymanbagabas/go-udiff"

	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
)

// configCommands look after the named configurations of mailboxes.
type configCommands struct {
	Put  configPutCommand  `cmd:"" help:"Keep a configuration under a name, as its next version."`
	List configListCommand `cmd:"" help:"List the configurations of a mailbox, or the versions of one."`
	Show configShowCommand `cmd:"" help:"Print a configuration."`
	Diff configDiffCommand `cmd:"" help:"Show what differs between two versions."`
}

type configPutCommand struct {
	Name    string `arg:"" help:"Name to keep it under."`
	Config  string `arg:"" help:"Configuration in YAML; - reads standard input."`
	Mailbox string `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) it belongs to."`
	Note    string `placeholder:"TEXT" help:"What is new, for the list."`
	By      string `env:"SAGE_OPERATOR" placeholder:"NAME" help:"Who puts it, for the list; this user at this host when not given."`
	JSON    bool   `name:"json" help:"Print one line of JSON."`
}

// Help says how it is used, and documents the exit codes.
func (configPutCommand) Help() string {
	return `Checks a configuration and keeps it. Versions never change; putting the latest text again makes none. ` +
		`Submit with it by its name, which means the latest version, or by name@version:

	sage config put ventas-diarias ventas.yaml --mailbox ventas
	sage submit ventas-diarias@1 ventas.csv --mailbox ventas

Exit codes:

	0  kept, or the latest version has this text
	2  the configuration can't be used, wrong usage, or a system failure`
}

// Run keeps a configuration.
func (c configPutCommand) Run(ctx context.Context, a *app) error {
	text, err := a.readConfig(c.Config)
	if err != nil {
		return err
	}
	if err := a.refuseUseless(c.Config, text, "kept"); err != nil {
		return err
	}
	objects, err := a.open(ctx)
	if err != nil {
		return err
	}
	v, created, _, err := configurations.New(objects).Put(ctx, c.Mailbox, c.Name, text, operatorFlags{By: c.By}.who(), c.Note)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return printJSON(a.stdout, v)
	case !created:
		_, err = fmt.Fprintf(a.stdout, "%s of mailbox %s has this text already\n", v.Ref(), v.Mailbox)
	default:
		_, err = fmt.Fprintf(a.stdout, "%s of mailbox %s\n", v.Ref(), v.Mailbox)
	}
	return err
}

// refuseUseless prints what is wrong with a configuration, and ends the command if
// nothing can be done with it.
func (a *app) refuseUseless(name string, text []byte, done string) error {
	_, issues := spec.Parse(name, text)
	if err := spec.Print(a.stderr, text, issues, colourful(a.stderr)); err != nil {
		return err
	}
	if issues.Structural() {
		_, _ = fmt.Fprintf(a.stderr, "%s: %s; nothing was %s\n", printable(name), issueCount(issues), done)
		return exit(exitFailed)
	}
	return nil
}

// resolveConfig returns the configuration that somebody names: that of a file, or
// else one that the mailbox keeps. name is what messages call it.
func (a *app) resolveConfig(ctx context.Context, mailbox, named string) (name string, text []byte, err error) {
	text, err = a.readConfig(named)
	ref, refErr := configurations.ParseRef(named)
	if err == nil || refErr != nil || !errors.Is(err, fs.ErrNotExist) {
		return named, text, err
	}
	if a.storageURL == "" {
		return named, nil, err
	}
	objects, err := a.open(ctx)
	if err != nil {
		return named, nil, err
	}
	v, text, err := configurations.New(objects).Get(ctx, mailbox, ref)
	if fault.CodeOf(err) == configurations.CodeUnknown {
		return named, nil, fault.New(codeFile, "there is neither a file nor, in mailbox %s, a configuration %s", mailbox, ref).
			Advise("check the path, or see `sage config list`")
	}
	return v.Ref().String(), text, err
}

type configListCommand struct {
	Name    string `arg:"" optional:"" help:"List all versions of this one."`
	Mailbox string `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) they belong to."`
	JSON    bool   `name:"json" help:"Print one line of JSON for each."`
}

// Help gives an example, and documents the exit codes.
func (configListCommand) Help() string {
	return `Prints what the mailbox keeps: name@version, who put it and when, and the note.

	sage config list --mailbox ventas
	sage config list diaria --mailbox ventas

Exit codes:

	0  whatever was found
	2  wrong usage, or a system failure`
}

// Run lists configurations.
func (c configListCommand) Run(ctx context.Context, a *app) error {
	objects, err := a.open(ctx)
	if err != nil {
		return err
	}
	store := configurations.New(objects)
	var all []configurations.Version
	if c.Name == "" {
		all, err = store.List(ctx, c.Mailbox)
	} else {
		all, err = store.Versions(ctx, c.Mailbox, c.Name)
	}
	if err != nil {
		return err
	}
	if len(all) == 0 {
		_, _ = fmt.Fprintf(a.stderr, "mailbox %s keeps no configuration\n", c.Mailbox)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, v := range all {
		if c.JSON {
			if err := printJSON(a.stdout, v); err != nil {
				return err
			}
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Ref(), bytesText(int64(v.Size)), v.SHA256[:12], v.At.Format("2006-01-02 15:04"), printable(v.By), printable(v.Note))
	}
	return w.Flush()
}

type configShowCommand struct {
	Config  string `arg:"" help:"Name, or name@version."`
	Mailbox string `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) it belongs to."`
	JSON    bool   `name:"json" help:"Print one line of JSON, with what the list says of it."`
}

// Help gives an example, and documents the exit codes.
func (configShowCommand) Help() string {
	return `Prints the text as it was put.

	sage config show diaria@1 --mailbox ventas >ventas.yaml

Exit codes:

	0  printed
	2  there is none, wrong usage, or a system failure`
}

// shownConfig is what --json prints of one.
type shownConfig struct {
	configurations.Version
	Text string `json:"text"`
}

// Run prints a configuration as it was put.
func (c configShowCommand) Run(ctx context.Context, a *app) error {
	v, text, err := a.getConfig(ctx, c.Mailbox, c.Config)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a.stdout, shownConfig{v, string(text)})
	}
	_, err = a.stdout.Write(text)
	return err
}

func (a *app) getConfig(ctx context.Context, mailbox, name string) (configurations.Version, []byte, error) {
	ref, err := configurations.ParseRef(name)
	if err != nil {
		return configurations.Version{}, nil, err
	}
	objects, err := a.open(ctx)
	if err != nil {
		return configurations.Version{}, nil, err
	}
	return configurations.New(objects).Get(ctx, mailbox, ref)
}

type configDiffCommand struct {
	From    string `arg:"" help:"Name, or name@version."`
	To      string `arg:"" help:"Another, or the path of a file."`
	Mailbox string `env:"SAGE_MAILBOX" default:"general" help:"Mailbox (casilla) they belong to."`
	JSON    bool   `name:"json" help:"Print one line of JSON."`
}

// Help documents the exit codes.
func (configDiffCommand) Help() string {
	return `Prints the difference as a patch.

	sage config diff ventas-diarias@1 ventas-diarias
	sage config diff ventas-diarias ./ventas.yaml

Exit codes:

	0  the same text
	1  they differ
	2  wrong usage or a system failure`
}

// configDiff is what --json prints.
type configDiff struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Same  bool   `json:"same"`
	Patch string `json:"patch"`
}

// Run prints the difference.
func (c configDiffCommand) Run(ctx context.Context, a *app) error {
	v, from, err := a.getConfig(ctx, c.Mailbox, c.From)
	if err != nil {
		return err
	}
	to, other := c.To, []byte(nil)
	if f, openErr := os.Open(c.To); openErr == nil {
		defer func() { _ = f.Close() }()
		other, err = io.ReadAll(io.LimitReader(f, spec.MaxBytes+1))
	} else {
		var w configurations.Version
		w, other, err = a.getConfig(ctx, c.Mailbox, c.To)
		to = w.Ref().String()
	}
	if err != nil {
		return err
	}
	patch := udiff.Unified(v.Ref().String(), to, string(from), string(other))
	if c.JSON {
		err = printJSON(a.stdout, configDiff{v.Ref().String(), to, patch == "", patch})
	} else {
		_, err = io.WriteString(a.stdout, patch)
	}
	if err != nil || patch == "" {
		return err
	}
	return exit(exitDiffers)
}
