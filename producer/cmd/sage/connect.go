package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/doctor"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

// connectPatience is short, because somebody sits before a command and waits;
// services wait as long as it takes.
const connectPatience = 5 * time.Second

// app is what commands have in common.
type app struct {
	natsURL, storageURL string
	stdin               io.Reader
	stdout, stderr      io.Writer
}

// fleet reads how the fleet is set up from the environment. A flag has the last
// word on the server's address.
func (a *app) fleet() (bus.Config, error) {
	variables := env.ToMap(os.Environ())
	if a.natsURL != "" {
		variables["NATS_URL"] = a.natsURL
	}
	return settings.Parse[bus.Config](variables)
}

// connect reaches the fleet's NATS server as an operator, unless NATS_IDENTITY says
// otherwise. The caller closes the connection.
func (a *app) connect(ctx context.Context) (*nats.Conn, jetstream.JetStream, error) {
	return a.connectAs(ctx, bus.IdentityOperator)
}

func (a *app) connectAs(ctx context.Context, as bus.Identity) (*nats.Conn, jetstream.JetStream, error) {
	cfg, err := a.fleet()
	if err != nil {
		return nil, nil, err
	}
	patience, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	nc, err := bus.Connect(patience, cfg, as, nats.Timeout(connectPatience/2))
	if err != nil {
		return nil, nil, err
	}
	js, err := bus.Open(nc)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return nc, js, nil
}

// sendTraces has the spans of this process sent to where OpenTelemetry's variables say.
func sendTraces(ctx context.Context) (flush func(), err error) {
	cfg, err := settings.Parse[telemetry.Traces](env.ToMap(os.Environ()))
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		return nil, err
	}
	return cfg.Send(ctx, "cli", guard.NewHost())
}

// open opens the fleet's storage.
func (a *app) open(ctx context.Context) (storage.Store, error) {
	if a.storageURL == "" {
		return nil, fault.New(settings.CodeMissing, "no storage is named").
			Expecting("file:///directory or s3://bucket/prefix, the same as the workers'").
			Advise("set STORAGE_URL, or give --storage")
	}
	return storage.Open(ctx, a.storageURL)
}

// tracker returns a Tracker over the fleet's records.
func (a *app) tracker(ctx context.Context, js jetstream.JetStream, objects storage.Store) (*producer.Tracker, error) {
	kv, err := js.KeyValue(ctx, bus.BucketState)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketState, err)
	}
	return producer.NewTracker(js, state.New(js, kv, 0), objects), nil // it writes no record: no lifetime
}

// openTracker is tracker for a command that needs nothing else. The caller closes
// the connection.
func (a *app) openTracker(ctx context.Context) (*producer.Tracker, *nats.Conn, error) {
	objects, err := a.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	nc, js, err := a.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	tracker, err := a.tracker(ctx, js, objects)
	if err != nil {
		nc.Close()
		return nil, nil, err
	}
	return tracker, nc, nil
}

// advise gives the errors of a server that isn't set up for a fleet their code
// and hint.
func advise(err error) error {
	for _, missing := range []error{
		jetstream.ErrBucketNotFound, jetstream.ErrStreamNotFound, jetstream.ErrConsumerNotFound, jetstream.ErrNoStreamResponse,
	} {
		if errors.Is(err, missing) {
			return fault.New(bus.CodeDrift, "the server isn't set up for a fleet: %w", err).
				Advise("look with `sage admin provision`, set the server up with `sage admin provision --apply`")
		}
	}
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return fault.New(doctor.CodeNoJetStream, "the NATS server has no JetStream: %w", err).
			Expecting("a server with JetStream").Advise("start it with `nats-server -js`, or enable it for this account")
	}
	return err
}
