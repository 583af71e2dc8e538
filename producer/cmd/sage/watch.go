package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/producer/inbox"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

type watchCommand struct {
	Dir string `arg:"" type:"path" help:"Directory with a folder for each mailbox."`
}

// Help says how folders are laid out, and documents the exit codes.
func (watchCommand) Help() string {
	return `Submits the files that are put into the folders of DIR, one folder for each mailbox, until SIGTERM. It logs JSON to standard error.

	DIR/ventas.yaml                    how files of mailbox ventas are checked; or
	DIR/ventas.configuration           the name, or name@version, of one that ` + "`sage config put`" + ` keeps
	DIR/ventas/lunes.csv               a file to submit
	DIR/ventas/processed/ID/lunes.csv  accepted as execution ID
	DIR/ventas/rejected/ID/lunes.csv   refused; lunes.csv.reason.txt beside it says why

A file is taken when it has not changed for INBOX_SETTLE, and nobody is known to write to it. Best is to write it under another ` +
		`name and to rename it: what begins with a dot, or ends in .part, .tmp, .filepart or ~, is left alone. While storage is full or ` +
		`NATS away, files wait where they are. Each is submitted once, however often this process is killed. README lists all variables.

	sage watch /srv/sftp
	NATS_IDENTITY=producer-sftp NATS_NKEY_SEED=file:///etc/sage/sftp.nk sage watch /srv/sftp

Exit codes:

	0  stopped by a signal
	2  wrong usage or configuration, or a system failure`
}

// watching are the settings of `sage watch`.
type watching struct {
	StorageURL string `env:"STORAGE_URL,required"`
	Fleet      bus.Config
	Inbox      inbox.Config
	Telemetry  telemetry.Config
}

// Run submits files until ctx ends.
func (c watchCommand) Run(ctx context.Context, a *app) error {
	cfg, err := settings.Parse[watching](a.variables())
	if err == nil {
		err = errors.Join(cfg.Fleet.Validate(), cfg.Inbox.Validate(), cfg.Telemetry.Validate())
	}
	if err != nil {
		return err
	}
	ctx = zerolog.New(a.stderr).With().Timestamp().Str("service", "watch").Logger().WithContext(ctx)
	flush, err := cfg.Telemetry.Traces.Send(ctx, "watch", guard.NewHost())
	if err != nil {
		return err
	}
	defer flush()
	monitor := telemetry.New("watch", cfg.Telemetry)
	objects, err := storage.Await(ctx, cfg.StorageURL)
	if err != nil {
		return fmt.Errorf("STORAGE_URL: %w", err)
	}
	objects = monitor.Store(objects)
	// A producer may look at nothing, so that it doesn't know whether the server is set up.
	nc, err := bus.Connect(ctx, cfg.Fleet, bus.IdentityOperator)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := bus.Open(nc)
	if err != nil {
		return err
	}
	monitor.CheckConnection(nc)
	in := inbox.New(c.Dir, producer.New(js, objects), configurations.New(objects), cfg.Inbox, inbox.WithWatcher(monitor))
	monitor.Check("inbox", in.Flowing)
	zerolog.Ctx(ctx).Info().Str("folder", c.Dir).Str("storage", objects.URL()).Msg("watch starts")
	if err := monitor.Around(ctx, in.Run); err != nil {
		return err
	}
	zerolog.Ctx(ctx).Info().AnErr("cause", context.Cause(ctx)).Msg("stopped")
	return nc.Drain()
}
