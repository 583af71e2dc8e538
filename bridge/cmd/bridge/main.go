// Command bridge forwards overflow to AWS Lambda, and repairs what crashes left
// undone, until SIGTERM; it is configured by the environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/caarlos0/env/v11"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/completion"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

type config struct {
	StorageURL string `env:"STORAGE_URL,required"`
	Fleet      bus.Config
	Bridge     bridge.Config
	Remote     remote.Config
	Telemetry  telemetry.Config
}

type cli struct {
	Serve serveCmd `cmd:"" default:"1" help:"Forward executions and repair until SIGTERM, then drain."`

	Completion completion.Command `cmd:"" help:"Print what has a shell complete commands and flags."`
}

func main() {
	var args cli
	parser := newParser(&args, kong.Exit(func(code int) { os.Exit(min(code, 2)) })) // wrong usage is 2, as everywhere
	if completion.Answer(parser, os.Args[1:], os.Stdout) {
		return
	}
	command, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)
	if command.Selected().Name == "completion" {
		parser.FatalIfErrorf(args.Completion.Run(command))
		return
	}
	log := zerolog.New(os.Stderr).With().Timestamp().Str("service", "bridge").Logger()
	ctx, stop := signal.NotifyContext(log.WithContext(context.Background()), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Error().Err(err).Msg("stopped")
		os.Exit(1)
	}
	log.Info().AnErr("cause", context.Cause(ctx)).Msg("stopped")
}

// newParser returns what reads a command line into args.
func newParser(args *cli, more ...kong.Option) *kong.Kong {
	return kong.Must(args, append([]kong.Option{kong.Name("bridge"), kong.Description("Forwards executions that wait too long to AWS Lambda, " +
		"and repairs what crashes left undone.\n\n\tLAMBDA_FUNCTION=sage LAMBDA_REGION=eu-central-1 bridge")}, more...)...)
}

type serveCmd struct{}

// Help says what it needs, and documents the exit codes.
func (serveCmd) Help() string {
	return `This is what bridge does without a command. STORAGE_URL and LAMBDA_FUNCTION must be set; README lists all variables.

	NATS_URL=nats://127.0.0.1:4222 STORAGE_URL=file:///srv/sage LAMBDA_FUNCTION=sage LAMBDA_REGION=eu-central-1 bridge

Exit codes:

	0  stopped by a signal, and drained
	1  errors
	2  wrong usage`
}

func run(ctx context.Context) error {
	cfg, err := settings.Parse[config](env.ToMap(os.Environ()))
	if err == nil {
		err = errors.Join(cfg.Fleet.Validate(), cfg.Bridge.Validate(), cfg.Remote.Validate(), cfg.Telemetry.Validate(),
			cfg.Bridge.Budget.Validate(cfg.Remote.MaxCost()))
	}
	if err != nil {
		return err
	}
	objects, err := storage.Await(ctx, cfg.StorageURL)
	if err != nil {
		return fmt.Errorf("STORAGE_URL: %w", err)
	}
	monitor := telemetry.New("bridge", cfg.Telemetry)
	objects = monitor.Store(objects)
	client, err := remote.NewClient(ctx, cfg.Remote)
	if err != nil {
		return err
	}
	nc, js, err := bus.Join(ctx, cfg.Fleet, bus.IdentityBridge)
	if err != nil {
		return err
	}
	defer nc.Close()
	monitor.CheckConnection(nc)
	tune()
	host := guard.NewHost()
	zerolog.Ctx(ctx).Info().Str("host", host).Str("storage", objects.URL()).Msg("bridge starts")
	flush, err := cfg.Telemetry.Traces.Send(ctx, "bridge", host)
	if err != nil {
		return err
	}
	defer flush()
	b, err := bridge.Open(ctx, js, objects, cfg.Fleet, client, host, cfg.Bridge, cfg.Remote, bridge.WithWatcher(monitor))
	if err != nil {
		return err
	}
	monitor.Check("queue", b.Bound)
	monitor.Slots(b.Usage)
	monitor.Register(b.Collector())
	if err := monitor.Around(ctx, b.Run); err != nil {
		return err
	}
	return nc.Drain()
}
