package bus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// CodeUnreachable says that no NATS server answered.
const CodeUnreachable fault.Code = "NATS_UNREACHABLE"

// Connect connects as the given identity, unless cfg names another, and waits for a server as long as ctx
// lives, logging why it waits: a component that starts before its server must not
// loop through crashes. The caller closes the connection.
func Connect(ctx context.Context, cfg Config, as Identity, extra ...nats.Option) (*nats.Conn, error) {
	servers, err := cfg.servers()
	if err != nil {
		return nil, err
	}
	if cfg.Identity == "" {
		cfg.Identity = as
	}
	if err := cfg.Identity.Validate(); err != nil {
		return nil, err
	}
	credentials, err := cfg.credentials(ctx)
	if err != nil {
		return nil, err
	}
	opts := slices.Concat(cfg.options(ctx), credentials, extra)
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 15*time.Second) {
		nc, err := nats.Connect(cfg.URL, opts...)
		if err == nil {
			return nc, nil
		}
		if errors.Is(err, nats.ErrAuthorization) {
			return nil, fault.New("NATS_AUTHORIZATION", "connect to %s: %w", servers, err).
				Advise("check NATS_NKEY_SEED, NATS_CREDS, or NATS_USER and NATS_PASSWORD").Permanent()
		}
		err = fault.New(CodeUnreachable, "connect to %s: %w", servers, err).
			Expecting("a NATS server with JetStream there").Advise("start it, or correct NATS_URL")
		zerolog.Ctx(ctx).Warn().Err(err).Dur("retry_in", wait).Msg("waiting for nats")
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
}

// servers lists where URL points, without what it may tell of credentials.
func (c Config) servers() (string, error) {
	var shown []string
	for one := range strings.SplitSeq(c.URL, ",") {
		one = strings.TrimSpace(one)
		if !strings.Contains(one, "://") {
			one = "nats://" + one // as the client does
		}
		u, err := url.Parse(one)
		if err != nil || u.Host == "" {
			return "", fault.New(settings.CodeInvalid, "NATS_URL is not a list of server addresses").
				Expecting("nats://host:port, several with commas; special characters in a password percent-encoded").Permanent()
		}
		shown = append(shown, u.Scheme+"://"+u.Host)
	}
	return strings.Join(shown, ","), nil
}

func (c Config) options(ctx context.Context) []nats.Option {
	log := zerolog.Ctx(ctx)
	return []nats.Option{
		nats.Name(string(c.Identity)), nats.CustomInboxPrefix(c.Identity.Inbox()), nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, time.Second),
		nats.PingInterval(20 * time.Second), nats.Timeout(5 * time.Second),
		// A denied permission shows only here; the call itself just times out.
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			event := log.Error().Err(c.Identity.lacks(err))
			if sub != nil {
				event = event.Str("subject", sub.Subject)
			}
			event.Msg("nats error")
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn().Err(err).Msg("nats disconnected")
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info().Str("server", nc.ConnectedServerName()).Msg("nats reconnected")
		}),
	}
}

// Join connects a service to a fleet that is provisioned and as
// durable as declared, and logs what it joined. The caller closes the connection.
func Join(ctx context.Context, cfg Config, as Identity) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := Connect(ctx, cfg, as)
	if err != nil {
		return nil, nil, err
	}
	js, err := Open(nc)
	if err == nil {
		err = errors.Join(Check(ctx, js, cfg), CheckDurability(ctx, js, cfg))
	}
	if err != nil {
		if denied := Identity(nc.Opts.Name).lacks(nc.LastError()); fault.CodeOf(denied) == CodeDenied {
			err = errors.Join(denied, err)
		}
		nc.Close()
		return nil, nil, err
	}
	zerolog.Ctx(ctx).Info().Str("nats", nc.ConnectedAddr()).Str("server", nc.ConnectedServerName()).
		Str("durability", string(cfg.Durability)).Msg("joined the fleet")
	return nc, js, nil
}

// Open returns a JetStream context on nc, fit for the fleet: a publish that is not
// acknowledged within 5 s fails.
func Open(nc *nats.Conn) (jetstream.JetStream, error) {
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(5*time.Second),
		jetstream.WithPublishAsyncMaxPending(4000), jetstream.WithPublishAsyncTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("open jetstream: %w", err)
	}
	return js, nil
}
