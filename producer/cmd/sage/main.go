// Command sage submits executions, follows them and fetches their reports.
//
// Results go to standard output and everything else to standard error, so that
// what a command prints can be piped. Each command's help lists its exit codes.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/completion"
)

// What a command may exit with.
const (
	exitOK         = 0
	exitDataErrors = 1
	exitDiffers    = 1
	exitViolated   = 1
	exitRefused    = 1
	exitFailed     = 2
	exitDead       = 3
	exitTimeout    = 4
	exitInterrupt  = 130 // what shells expect of a program that SIGINT ended
)

// exit ends a command that has said already what there is to say.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// groups are how help sorts commands and flags.
var groups = []kong.Group{
	{Key: "fleet", Title: "Flags for the connection:"},
	{Key: "files", Title: "Submit files, and see what came of them:"},
	{Key: "repair", Title: "When something went wrong:"},
	{Key: "look", Title: "Look at the fleet:"},
	{Key: "services", Title: "Run services:"},
	{Key: "keep", Title: "Look after what is kept:"},
	{Key: "self", Title: "This program:"},
}

// commands is the command line.
type commands struct {
	NATS    string `name:"nats" group:"fleet" env:"NATS_URL" placeholder:"URL" help:"NATS server of the fleet; nats://127.0.0.1:4222 when not given."`
	Storage string `group:"fleet" env:"STORAGE_URL" placeholder:"URL" help:"Where the fleet keeps files: file:///directory or s3://bucket/prefix."`
	Verbose bool   `short:"v" group:"fleet" help:"Log connections and retries to standard error."`

	Submit      submitCommand      `cmd:"" group:"files" help:"Submit files for execution."`
	Check       checkCommand       `cmd:"" group:"files" help:"Check a configuration without running it."`
	List        listCommand        `cmd:"" group:"files" help:"List executions, of the ledger."`
	Status      statusCommand      `cmd:"" group:"files" help:"Say where an execution stands."`
	Explain     explainCommand     `cmd:"" group:"files" help:"Say why an execution ran where it did."`
	Wait        waitCommand        `cmd:"" group:"files" help:"Wait for the end of an execution."`
	Fetch       fetchCommand       `cmd:"" group:"files" help:"Fetch the report and the files of an execution."`
	Redrive     redriveCommand     `cmd:"" group:"repair" help:"Have DEAD executions carried out again."`
	Cancel      cancelCommand      `cmd:"" group:"repair" help:"End an execution that has not ended."`
	Dead        deadCommands       `cmd:"" group:"repair" help:"Look at dead letters."`
	Doctor      doctorCommand      `cmd:"" group:"repair" help:"Look at everything the fleet rests on, and say what to do about what is wrong."`
	Verify      verifyCommand      `cmd:"" group:"repair" help:"Check what happened against what is guaranteed."`
	Fleet       fleetCommand       `cmd:"" group:"look" help:"Show workers and bridges, and what they do and why."`
	Backlog     backlogCommand     `cmd:"" group:"look" help:"Count the work that waits, runs and failed."`
	Delegations delegationsCommand `cmd:"" group:"look" help:"List what was handed to a Lambda."`
	Budget      budgetCommand      `cmd:"" group:"look" help:"Show what the Lambda may cost, and what it did."`
	Notices     noticesCommands    `cmd:"" group:"look" help:"Look at what senders and operators are told."`
	Plan        planCommand        `cmd:"" group:"look" help:"Say what policies and workers would have cost and missed."`
	Serve       serveCommand       `cmd:"" group:"services" help:"Serve the HTTP API and the console."`
	Watch       watchCommand       `cmd:"" group:"services" help:"Submit the files that are put into folders, one for each mailbox."`
	Notify      notifyCommand      `cmd:"" group:"services" help:"Tell senders how their executions ended, and operators what is wrong."`
	Config      configCommands     `cmd:"" group:"keep" help:"Look after the named configurations of mailboxes."`
	Token       tokenCommands      `cmd:"" group:"keep" help:"Look after the tokens of the HTTP API and the console."`
	Ledger      ledgerCommands     `cmd:"" group:"keep" help:"Look at the history, and build it again."`
	Erase       eraseCommand       `cmd:"" group:"keep" help:"Remove what an ended execution holds of a customer."`
	Admin       struct {
		Provision  provisionCommand  `cmd:"" help:"Show, or apply, what the NATS server lacks."`
		NATSConfig natsConfigCommand `cmd:"" name:"nats-config" help:"Print a NATS server's configuration: TLS, identities, permissions."`
		GC         gcCommand         `cmd:"" name:"gc" help:"Delete files that are kept no longer."`
	} `cmd:"" group:"keep" help:"Look after the fleet."`
	Completion completion.Command `cmd:"" group:"self" help:"Print what has a shell complete commands and flags."`
	Version    versionCommand     `cmd:"" group:"self" help:"Print the version of this program."`
}

const description = "The way in to a SAGE fleet: submit files, follow them, fetch their reports.\n\n" +
	"\tsage doctor\n" +
	"\tsage submit ventas.yaml ventas.csv --mailbox ventas --wait\n" +
	"\tsage list --state dead --since 24h\n\n" +
	"Every command exits with 0 on success, 2 on wrong usage or a system failure and 130 when it is interrupted; " +
	"its help lists what else it exits with."

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends what doesn't heed the first
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// newParser returns what reads a command line into c.
func newParser(c *commands, stdout, stderr io.Writer, more ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append([]kong.Option{kong.Name("sage"), kong.Description(description), kong.ExplicitGroups(groups),
		kong.Writers(stdout, stderr), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100})}, more...)...)
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c commands
	helped := false
	parser, err := newParser(&c, stdout, stderr, kong.Exit(func(int) { helped = true }))
	if err != nil {
		return report(stderr, err)
	}
	if completion.Answer(parser, args, stdout) {
		return exitOK
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		return report(stderr, usageFault(err))
	}
	level := zerolog.ErrorLevel
	if c.Verbose {
		level = zerolog.DebugLevel
	}
	log := zerolog.New(zerolog.ConsoleWriter{Out: stderr, NoColor: !colourful(stderr)}).Level(level).With().Timestamp().Logger()
	a := &app{natsURL: c.NATS, storageURL: c.Storage, stdin: stdin, stdout: stdout, stderr: stderr}
	parsed.BindTo(log.WithContext(ctx), (*context.Context)(nil))
	err = parsed.Run(a)
	code, told := errors.AsType[exit](err)
	switch {
	case err == nil:
		return exitOK
	case told:
		return int(code)
	case ctx.Err() != nil:
		_, _ = fmt.Fprintf(stderr, "%s interrupted\n", tint(stderr, red, "sage:"))
		return exitInterrupt
	}
	return report(stderr, advise(err))
}
