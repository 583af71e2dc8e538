// Package server is the fleet's one HTTP server: API, console, metrics and health,
// and the projector that keeps the ledger they read.
//
// Nobody is let in without a token, but to ask whether it lives, is ready, and how
// the API is described.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/producer/console"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/planning"
	"github.com/sagefleet/sagefleet/shared/secret"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
)

// Config says where the server listens, and how it stops.
type Config struct {
	Listen string `env:"LISTEN" envDefault:"127.0.0.1:8080"` // address and port
	// TLSCert is the path of a PEM certificate, with those between it and its authority;
	// without it the server speaks plain HTTP, for a proxy that ends TLS.
	TLSCert string        `env:"TLS_CERT"`
	TLSKey  secret.Secret `env:"TLS_KEY"`                      // its key, PEM (*secret*)
	Drain   time.Duration `env:"SERVE_DRAIN" envDefault:"25s"` // how long requests under way may take when it stops
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return settings.Invalid("LISTEN", c.Listen, "an address and a port such as 0.0.0.0:8080")
	}
	if (c.TLSCert == "") == c.TLSKey.IsSet() {
		return settings.Invalid("TLS_KEY", c.TLSKey, "the key of TLS_CERT: both or neither")
	}
	if c.Drain < 0 {
		return settings.Invalid("SERVE_DRAIN", c.Drain, "0 or more")
	}
	return nil
}

// TLS returns what TLS_CERT and TLS_KEY say, or nil without them.
func (c Config) TLS(ctx context.Context) (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	return loadTLS(ctx, c.TLSCert, c.TLSKey)
}

// Parts are what the server speaks for.
type Parts struct {
	JS       jetstream.JetStream
	Objects  storage.Store
	Presign  storage.Presigner // nil where files are in a directory
	Fleet    bus.Config
	StateTTL time.Duration // for how long records of what is cancelled or redriven are kept
	Ledger   *ledger.Ledger
	Access   access.Identifier
	Monitor  *telemetry.Monitor
	Budget   func(context.Context) (console.Budget, error) // nil where there is no Lambda
	Plan     planning.Planner                              // nil where nobody plans
}

// Server serves requests. Run must be called once.
type Server struct {
	cfg       Config
	handler   http.Handler
	pages     *console.Console
	projector *ledger.Projector
}

// Open returns a Server of parts, over the fleet's own buckets.
func Open(ctx context.Context, p Parts, cfg Config, limits api.Config) (*Server, error) {
	kv, err := p.JS.KeyValue(ctx, bus.BucketState)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketState, err)
	}
	operator, err := producer.OpenOperator(ctx, p.JS, p.Objects, p.Fleet, p.StateTTL, "api")
	if err != nil {
		return nil, err
	}
	handed, err := p.JS.KeyValue(ctx, bus.BucketDelegations)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", bus.BucketDelegations, err)
	}
	delegations := delegation.New(p.JS, handed, 0) // it is only read: no lifetime
	tracker := producer.NewTracker(p.JS, state.New(p.JS, kv, 0), p.Objects)
	requests := api.New(api.Fleet{JS: p.JS, Objects: p.Objects, Presign: p.Presign, Tracker: tracker, Operator: operator, History: p.Ledger, Access: p.Access,
		Delegations: delegations}, limits)
	s := &Server{cfg: cfg, projector: ledger.NewProjector(p.Ledger, p.JS),
		pages: console.New(console.Parts{Access: p.Access, JS: p.JS, Objects: p.Objects, Fleet: p.Fleet, StateTTL: p.StateTTL, Ledger: p.Ledger, Submit: requests, Budget: p.Budget,
			Plan: p.Plan, Delegations: delegations})}
	p.Monitor.Register(lag(s.projector))
	s.handler = routes(requests.Handler(), s.pages, p.Monitor.Handler(), p.Access)
	return s, nil
}

// lag serves how far behind the ledger is.
func lag(p *ledger.Projector) telemetry.Values {
	return telemetry.Values{Metrics: []telemetry.Metric{telemetry.LedgerLag, telemetry.LedgerSkipped}, Tell: func(to chan<- prometheus.Metric) {
		progress := p.Progress()
		to <- telemetry.LedgerLag.Is(float64(progress.Behind))
		to <- telemetry.LedgerSkipped.Is(float64(progress.Skipped))
	}}
}

// routes gives each part its paths. A page of another origin can't have a browser act
// here, whichever part it is that answers.
func routes(requests, pages, monitor http.Handler, who access.Identifier) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/", requests)
	mux.Handle("/openapi.json", requests)
	mux.Handle("GET /healthz", monitor)
	mux.Handle("GET /readyz", monitor)
	// How busy each mailbox is, is not for everybody. METRICS_LISTEN serves it without a token.
	mux.Handle("GET /metrics", access.Handler(who, monitor, api.Refuse))
	mux.Handle("/", pages)
	return bound(http.NewCrossOriginProtection().Handler(mux))
}

// bound has no browser run, frame or guess at an answer, whichever part gives it. What
// is looser than this, a part loosens.
func bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// Handler answers requests, for tests.
func (s *Server) Handler() http.Handler { return s.handler }

// Times after which a connection that does nothing is closed. Uploads and downloads
// have their own; see API_MIN_RATE.
const (
	headerPatience = 10 * time.Second
	readPatience   = time.Minute
	writePatience  = time.Minute
	idlePatience   = 2 * time.Minute
	maxHeader      = 64 << 10 // bytes
)

// Run serves on l, and keeps the ledger, until ctx ends. It closes l.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.handler, ReadHeaderTimeout: headerPatience, ReadTimeout: readPatience, WriteTimeout: writePatience,
		IdleTimeout: idlePatience, MaxHeaderBytes: maxHeader, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	zerolog.Ctx(ctx).Info().Stringer("address", l.Addr()).Msg("serving")
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.projector.Run(ctx) })
	group.Go(func() error { return s.pages.Run(ctx) })
	group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Drain)
		defer cancel()
		if err := server.Shutdown(patience); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Msg("requests under way were cut")
			return server.Close()
		}
		return nil
	})
	return group.Wait()
}
