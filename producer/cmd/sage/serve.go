package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"

	"github.com/caarlos0/env/v11"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/producer/console"
	"github.com/sagefleet/sagefleet/producer/server"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

type serveCommand struct {
	Listen string `placeholder:"HOST:PORT" help:"Where to listen; LISTEN, or 127.0.0.1:8080, when not given."`
}

// Help says what it needs, and documents the exit codes.
func (serveCommand) Help() string {
	return `Serves the HTTP API, the console, metrics and health, and keeps the ledger, until SIGTERM. It logs JSON to standard error.

	export LEDGER_URL=sqlite:///var/lib/sage/ledger STORAGE_URL=file:///srv/sage
	sage serve --listen 127.0.0.1:8080 &
	sage token create ana --mailbox ventas --role operator

Everybody bears a token; the console asks for one. README lists all variables.

Exit codes:

	0  stopped by a signal
	2  wrong usage or configuration, or a system failure`
}

// served are the settings of `sage serve`.
type served struct {
	Fleet     bus.Config
	Server    server.Config
	API       api.Config
	Access    access.Config
	Ledger    ledger.Config
	Telemetry telemetry.Config
	Attempts  guard.Config
	Budget    budget.Config // for show: bridges keep to theirs
}

func (c serveCommand) settings(a *app) (served, error) {
	variables := env.ToMap(os.Environ())
	if a.natsURL != "" {
		variables["NATS_URL"] = a.natsURL
	}
	if c.Listen != "" {
		variables["LISTEN"] = c.Listen
	}
	cfg, err := settings.Parse[served](variables)
	if err == nil {
		err = errors.Join(cfg.Fleet.Validate(), cfg.Server.Validate(), cfg.API.Validate(), cfg.Access.Validate(), cfg.Telemetry.Validate(),
			cfg.Budget.Validate(0))
	}
	return cfg, err
}

// tune has the garbage collector work harder when uploads hold much, unless GOMEMLIMIT
// says otherwise. What they hold are a few large pieces: letting the heap grow to twice as
// much would be waste, and collecting costs next to nothing.
func tune(uploads int) {
	const each, others = 5 << 20, 24 << 20 // bytes
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(others + int64(uploads)*each)
	}
}

// Run serves until ctx ends.
func (c serveCommand) Run(ctx context.Context, a *app) error {
	cfg, err := c.settings(a)
	if err != nil {
		return err
	}
	tune(cfg.API.Uploads)
	log := zerolog.New(a.stderr).With().Timestamp().Str("service", "serve").Logger()
	ctx = log.WithContext(ctx)
	flush, err := cfg.Telemetry.Traces.Send(ctx, "serve", guard.NewHost())
	if err != nil {
		return err
	}
	defer flush()
	history, err := cfg.Ledger.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = history.Close() }()
	objects, err := a.open(ctx)
	if err != nil {
		return err
	}
	monitor := telemetry.New("serve", cfg.Telemetry)
	presign, _ := objects.(storage.Presigner)
	nc, js, err := bus.Join(ctx, cfg.Fleet, bus.IdentityServe)
	if err != nil {
		return err
	}
	defer nc.Close()
	monitor.CheckConnection(nc)
	kv, err := js.KeyValue(ctx, bus.BucketAccess)
	if err != nil {
		return fmt.Errorf("open bucket %s: %w", bus.BucketAccess, err)
	}
	gate, err := access.NewGate(ctx, access.NewTokens(kv), cfg.Access)
	if err != nil {
		return err
	}
	spending := func(ctx context.Context) (console.Budget, error) {
		s, err := shares.ReadSpent(ctx, js, cfg.Budget)
		return shownBudget(s), err
	}
	s, err := server.Open(ctx, server.Parts{JS: js, Objects: monitor.Store(objects), Presign: presign, Fleet: cfg.Fleet, StateTTL: cfg.Attempts.StateTTL,
		Ledger: history, Access: gate, Monitor: monitor, Budget: spending, Plan: simulate.Answer}, cfg.Server, cfg.API)
	if err != nil {
		return err
	}
	l, err := listen(ctx, cfg.Server)
	if err != nil {
		return err
	}
	if err := monitor.Around(ctx, func(ctx context.Context) error { return s.Run(ctx, l) }); err != nil {
		return err
	}
	return nc.Drain()
}

func listen(ctx context.Context, cfg server.Config) (net.Listener, error) {
	secured, err := cfg.TLS(ctx)
	if err != nil {
		return nil, err
	}
	var listener net.ListenConfig
	l, err := listener.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("LISTEN: %w", err)
	}
	if secured != nil {
		l = tls.NewListener(l, secured)
	}
	return l, nil
}
