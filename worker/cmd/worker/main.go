// Command worker executes what is asked for: from the queue, or one file.
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

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/completion"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
	"github.com/sagefleet/sagefleet/worker"
)

type cli struct {
	Serve serveCmd `cmd:"" default:"1" help:"Take executions off the queue until SIGTERM, then drain."`
	Run   runCmd   `cmd:"" help:"Put one file through one configuration, without a queue, with the engine that ENGINE names."`

	Completion completion.Command `cmd:"" help:"Print what has a shell complete commands and flags."`
}

func main() {
	log := zerolog.New(os.Stderr).With().Timestamp().Str("service", "worker").Logger()
	ctx, stop := signal.NotifyContext(log.WithContext(context.Background()), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var args cli
	parser := newParser(&args, kong.Exit(func(code int) {
		if code != 0 {
			code = 2
		}
		os.Exit(code)
	}))
	if completion.Answer(parser, os.Args[1:], os.Stdout) {
		return
	}
	command, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)
	switch command.Selected().Name {
	case "serve":
		if err := args.Serve.Run(ctx); err != nil {
			log.Error().Err(err).Msg("stopped")
			os.Exit(1)
		}
		return
	case "completion":
		parser.FatalIfErrorf(args.Completion.Run(command))
		return
	}
	exit, err := args.Run.Run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		exit = 2
	}
	os.Exit(exit)
}

// newParser returns what reads a command line into args.
func newParser(args *cli, more ...kong.Option) *kong.Kong {
	return kong.Must(args, append([]kong.Option{kong.Name("worker"),
		kong.Description("Executes SAGE configurations over data files.\n\n\tworker\n\tworker run ventas.yaml ventas.csv --out informe")}, more...)...)
}

// serveCmd is the worker as a service.
type serveCmd struct{}

// Help says what it needs, and documents the exit codes.
func (serveCmd) Help() string {
	return `This is what worker does without a command. STORAGE_URL must be set; README lists all variables.

	NATS_URL=nats://127.0.0.1:4222 STORAGE_URL=file:///srv/sage worker

Exit codes:

	0  stopped by a signal, and drained
	1  errors
	2  wrong usage`
}

type config struct {
	StorageURL string `env:"STORAGE_URL,required"`
	Fleet      bus.Config
	Worker     worker.Config
	Telemetry  telemetry.Config
}

// Run works until ctx ends.
func (serveCmd) Run(ctx context.Context) error {
	cfg, err := settings.Parse[config](env.ToMap(os.Environ()))
	if err == nil {
		err = errors.Join(cfg.Fleet.Validate(), cfg.Worker.Validate(), cfg.Telemetry.Validate())
	}
	if err != nil {
		return err
	}
	defer tune(cfg.Worker.Slots.Fleet)()
	objects, err := storage.Await(ctx, cfg.StorageURL)
	if err != nil {
		return fmt.Errorf("STORAGE_URL: %w", err)
	}
	monitor := telemetry.New("worker", cfg.Telemetry)
	objects = monitor.Store(objects)
	nc, js, err := bus.Join(ctx, cfg.Fleet, bus.IdentityWorker)
	if err != nil {
		return err
	}
	defer nc.Close()
	monitor.CheckConnection(nc)
	host := guard.NewHost()
	zerolog.Ctx(ctx).Info().Str("host", host).Str("storage", objects.URL()).Msg("worker starts")
	flush, err := cfg.Telemetry.Traces.Send(ctx, "worker", host)
	if err != nil {
		return err
	}
	defer flush()
	w, err := worker.New(ctx, js, objects, cfg.Fleet, host, cfg.Worker)
	if err != nil {
		return err
	}
	w.Watch(monitor)
	monitor.Check("queue", w.Bound)
	monitor.Slots(w.Usage)
	if err := monitor.Around(ctx, w.Run); err != nil {
		return err
	}
	zerolog.Ctx(ctx).Info().AnErr("cause", context.Cause(ctx)).Msg("worker drained")
	return nc.Drain()
}
