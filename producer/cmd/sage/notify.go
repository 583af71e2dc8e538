package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer/answers"
	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

type notifyCommand struct{}

// Help shows the file of mailboxes, and documents the exit codes.
func (notifyCommand) Help() string {
	return `Tells senders how their executions ended, by e-mail or signed webhook, until SIGTERM. It logs JSON to standard error.

	# answers.yaml
	console: https://sage.example.com    # for links
	mailboxes:
	  ventas:
	    language: es                     # or en
	    email:
	      to: [ventas@example.com]
	      sender_domains: [example.com]  # the sender too, if it is an address there
	      attach: true                   # the report
	    webhook:
	      url: https://erp.example.com/sage
	      secret: file:///run/secrets/erp

	ANSWERS_FILE=answers.yaml SMTP_ADDRESS=smtp.example.com:587 SMTP_FROM=sage@example.com sage notify

Webhooks are signed as Standard Webhooks 1.0 has it. Each end is answered once through each channel; if this process dies between ` +
		`sending and noting it, again, with the same Message-ID or webhook-id. What ended before its mailbox was in the file for the ` +
		`first time is not answered. Several may run. README lists all variables.

Exit codes:

	0  stopped by a signal
	2  wrong usage or configuration, or a system failure`
}

// notifying are the settings of `sage notify`.
type notifying struct {
	StorageURL string `env:"STORAGE_URL,required"`
	Fleet      bus.Config
	Answers    answers.Config
	Telemetry  telemetry.Config
}

// Run answers until ctx ends.
func (notifyCommand) Run(ctx context.Context, a *app) error {
	cfg, err := settings.Parse[notifying](a.variables())
	if err == nil {
		err = errors.Join(cfg.Fleet.Validate(), cfg.Answers.Validate(cfg.Fleet.EventsMaxAge), cfg.Telemetry.Validate())
	}
	if err != nil {
		return err
	}
	ctx = zerolog.New(a.stderr).With().Timestamp().Str("service", "notify").Logger().WithContext(ctx)
	flush, err := cfg.Telemetry.Traces.Send(ctx, "notify", guard.NewHost())
	if err != nil {
		return err
	}
	defer flush()
	monitor := telemetry.New("notify", cfg.Telemetry)
	objects, err := storage.Await(ctx, cfg.StorageURL)
	if err != nil {
		return fmt.Errorf("STORAGE_URL: %w", err)
	}
	nc, js, err := bus.Join(ctx, cfg.Fleet, bus.IdentityNotify)
	if err != nil {
		return err
	}
	defer nc.Close()
	monitor.CheckConnection(nc)
	book, err := notices.Open(ctx, js, cfg.Answers.Notify.Try, monitor)
	if err != nil {
		return err
	}
	answerer, err := answers.Open(ctx, js, monitor.Store(objects), book, cfg.Answers)
	if err != nil {
		return err
	}
	monitor.Register(telemetry.Values{Metrics: []telemetry.Metric{telemetry.NoticesWaiting}, Tell: func(to chan<- prometheus.Metric) {
		asking, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if n, err := answerer.Waiting(asking); err == nil {
			to <- telemetry.NoticesWaiting.Is(float64(n), notices.KindAnswer)
		}
	}})
	zerolog.Ctx(ctx).Info().Str("file", cfg.Answers.File).Msg("notify starts")
	if err := monitor.Around(ctx, answerer.Run); err != nil {
		return err
	}
	zerolog.Ctx(ctx).Info().AnErr("cause", context.Cause(ctx)).Msg("stopped")
	return nc.Drain()
}
