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

// commands is the command line.
type commands struct {
	NATS    string `name:"nats" group:"fleet" env:"NATS_URL" placeholder:"URL" help:"NATS server of the fleet; nats://127.0.0.1:4222 when not given."`
	Storage string `group:"fleet" env:"STORAGE_URL" placeholder:"URL" help:"Where the fleet keeps files: file:///directory or s3://bucket/prefix."`
	Verbose bool   `short:"v" group:"fleet" help:"Log connections and retries to standard error."`

	Submit      submitCommand      `cmd:"" help:"Submit files for execution."`
	List        listCommand        `cmd:"" help:"List executions, of the ledger."`
	Status      statusCommand      `cmd:"" help:"Say where an execution stands."`
	Explain     explainCommand     `cmd:"" help:"Say why an execution ran where it did."`
	Wait        waitCommand        `cmd:"" help:"Wait for the end of an execution."`
	Fetch       fetchCommand       `cmd:"" help:"Fetch the report and the files of an execution."`
	Redrive     redriveCommand     `cmd:"" help:"Have DEAD executions carried out again."`
	Cancel      cancelCommand      `cmd:"" help:"End an execution that has not ended."`
	Dead        deadCommands       `cmd:"" help:"Look at dead letters."`
	Erase       eraseCommand       `cmd:"" help:"Remove what an ended execution holds of a customer."`
	Fleet       fleetCommand       `cmd:"" help:"Show workers and bridges, and what they do and why."`
	Backlog     backlogCommand     `cmd:"" help:"Count the work that waits, runs and failed."`
	Delegations delegationsCommand `cmd:"" help:"List what was handed to a Lambda."`
	Budget      budgetCommand      `cmd:"" help:"Show what the Lambda may cost, and what it did."`
	Doctor      doctorCommand      `cmd:"" help:"Look at everything the fleet rests on, and say what to do about what is wrong."`
	Verify      verifyCommand      `cmd:"" help:"Check what happened against what is guaranteed."`
	Plan        planCommand        `cmd:"" help:"Say what policies and workers would have cost and missed."`
	Serve       serveCommand       `cmd:"" help:"Serve the HTTP API and the console."`
	Watch       watchCommand       `cmd:"" help:"Submit the files that are put into folders, one for each mailbox."`
	Config      configCommands     `cmd:"" help:"Look after the named configurations of mailboxes."`
	Token       tokenCommands      `cmd:"" help:"Look after the tokens of the HTTP API and the console."`
	Ledger      ledgerCommands     `cmd:"" help:"Look at the history, and build it again."`
	Check       checkCommand       `cmd:"" help:"Check a configuration without running it."`
	Admin       struct {
		Provision  provisionCommand  `cmd:"" help:"Show, or apply, what the NATS server lacks."`
		NATSConfig natsConfigCommand `cmd:"" name:"nats-config" help:"Print a NATS server's configuration: TLS, identities, permissions."`
		GC         gcCommand         `cmd:"" name:"gc" help:"Delete files that are kept no longer."`
	} `cmd:"" help:"Look after the fleet."`
	Completion completion.Command `cmd:"" help:"Print what has a shell complete commands and flags."`
	Version    versionCommand     `cmd:"" help:"Print the version of this program."`
}

const description = "The way in to a SAGE fleet: submit files, follow them, fetch their reports.\n\n" +
	"Every command exits with 0 on success, 2 on wrong usage or a system failure and 130 when it is interrupted; " +
	"its help lists what else it exits with."

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends what doesn't heed the first
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c commands
	helped := false
	parser, err := kong.New(&c, kong.Name("sage"), kong.Description(description),
		kong.ExplicitGroups([]kong.Group{{Key: "fleet", Title: "Flags for the connection:"}}),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}))
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
