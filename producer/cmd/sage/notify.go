package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/producer/alarms"
	"github.com/sagefleet/sagefleet/producer/answers"
	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

type notifyCommand struct{}

// Help shows both files, and documents the exit codes.
func (notifyCommand) Help() string {
	return `Tells senders how their executions ended, by e-mail or signed webhook, and operators what is wrong, by SNS too, until SIGTERM. ` +
		`It logs JSON to standard error.

	# answers.yaml: whoever is in it is answered
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

	# alarms.yaml: rules that aren't in it are as they are here, and go through all channels
	channels:
	  guardia: {email: {to: [guardia@example.com]}, per_hour: 20}  # more come together in one
	  pager: {sns: {topic: 'arn:aws:sns:eu-central-1:123456789012:sage'}}
	rules:
	  dead: {channels: [guardia], again: 1h}  # dead letters, by mailbox and code
	  deadline: {again: 1h}                   # ended after their deadline, by mailbox
	  budget: {at: 80}                        # percent; BUDGET_HOUR_USD and so on as the bridges have them
	  stuck: {after: 2h}                      # neither ended nor changed; more than EXECUTION_TIMEOUT
	  down: {after: 15s}                      # a worker or bridge that fell silent
	  backlog: {after: 10m}                   # since the oldest waits

	ANSWERS_FILE=answers.yaml SMTP_ADDRESS=smtp.example.com:587 SMTP_FROM=sage@example.com sage notify
	ALARMS_FILE=alarms.yaml SMTP_ADDRESS=smtp.example.com:587 SMTP_FROM=sage@example.com sage notify

Webhooks are signed as Standard Webhooks 1.0 has it. Everybody hears of everything once; if this process dies between sending and ` +
		`noting it, again, with the same Message-ID, webhook-id or sage-id. What ended before its mailbox was in the file for the ` +
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
	Alarms     alarms.Config
	Budget     budget.Config // to tell of it: bridges keep to theirs
	Telemetry  telemetry.Config
}

func (a *app) notifying() (notifying, error) {
	cfg, err := settings.Parse[notifying](a.variables())
	if err == nil {
		err = errors.Join(cfg.Fleet.Validate(), cfg.Answers.Validate(cfg.Fleet.EventsMaxAge), cfg.Alarms.Validate(), cfg.Budget.Validate(0),
			cfg.Telemetry.Validate())
	}
	if err == nil && !cfg.Answers.On() && !cfg.Alarms.On() {
		err = fault.New(settings.CodeMissing, "there is nobody to tell anything").Expecting("ANSWERS_FILE, for senders, or ALARMS_FILE, for operators")
	}
	return cfg, err
}

// Run answers and alarms until ctx ends.
func (notifyCommand) Run(ctx context.Context, a *app) error {
	cfg, err := a.notifying()
	if err != nil {
		return err
	}
	ctx = zerolog.New(a.stderr).With().Timestamp().Str("service", "notify").Logger().WithContext(ctx)
	host := guard.NewHost()
	flush, err := cfg.Telemetry.Traces.Send(ctx, "notify", host)
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
	var duties []func(context.Context) error
	if cfg.Answers.On() {
		answerer, err := answers.Open(ctx, js, monitor.Store(objects), book, cfg.Answers)
		if err != nil {
			return err
		}
		monitor.Register(answersWaiting(answerer))
		duties = append(duties, answerer.Run)
	}
	if cfg.Alarms.On() {
		alarmed, err := alarms.Open(ctx, js, book, host, cfg.spending(js), cfg.Alarms)
		if err != nil {
			return err
		}
		monitor.Register(alarmsOpen(alarmed))
		duties = append(duties, alarmed.Run)
	}
	zerolog.Ctx(ctx).Info().Str("answers", cfg.Answers.File).Str("alarms", cfg.Alarms.File).Msg("notify starts")
	err = monitor.Around(ctx, func(ctx context.Context) error {
		group, ctx := errgroup.WithContext(ctx)
		for _, duty := range duties {
			group.Go(func() error { return duty(ctx) })
		}
		return group.Wait()
	})
	if err != nil {
		return err
	}
	zerolog.Ctx(ctx).Info().AnErr("cause", context.Cause(ctx)).Msg("stopped")
	return nc.Drain()
}

// spending is what alarms ask of the budget; nil where there is no limit.
func (n notifying) spending(js jetstream.JetStream) func(context.Context) ([]alarms.Limit, error) {
	if !n.Budget.Limited() {
		return nil
	}
	return func(ctx context.Context) (all []alarms.Limit, err error) {
		s, err := shares.ReadSpent(ctx, js, n.Budget)
		for _, l := range s.Limits {
			all = append(all, alarms.Limit{Window: l.Window, Mailbox: l.Mailbox, Used: 1 - l.Free/(l.Limit/2)})
		}
		return all, err
	}
}

func answersWaiting(of *answers.Answerer) prometheus.Collector {
	return telemetry.Values{Metrics: []telemetry.Metric{telemetry.AnswersWaiting}, Tell: func(to chan<- prometheus.Metric) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if n, err := of.Waiting(ctx); err == nil {
			to <- telemetry.AnswersWaiting.Is(float64(n))
		}
	}}
}

func alarmsOpen(of *alarms.Alarms) prometheus.Collector {
	return telemetry.Values{Metrics: []telemetry.Metric{telemetry.AlarmsWaiting, telemetry.IncidentsOpen}, Tell: func(to chan<- prometheus.Metric) {
		waiting, open, leads := of.Counts()
		if !leads {
			return
		}
		to <- telemetry.AlarmsWaiting.Is(float64(waiting))
		for rule := range alarms.Defaults {
			to <- telemetry.IncidentsOpen.Is(float64(open[rule]), rule)
		}
	}}
}
