package local

import (
	"context"
	"errors"
	"net"
	"path/filepath"

	"github.com/sagefleet/sagefleet/bridge/overflow/simulate"
	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/producer/console"
	"github.com/sagefleet/sagefleet/producer/server"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// served are the settings that a server needs besides the platform's.
type served struct {
	Server   server.Config
	API      api.Config
	Attempts guard.Config
}

// Serve serves the console, the API and metrics on l until ctx ends, and closes l.
// Whoever is on this machine is an operator there, without logging in; l must be out
// of others' reach.
func (p *Platform) Serve(ctx context.Context, l net.Listener) error {
	s, history, err := p.openServer(ctx, l)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() { _ = history.Close() }()
	return s.Run(named(ctx, "serve"), l)
}

func (p *Platform) openServer(ctx context.Context, l net.Listener) (*server.Server, *ledger.Ledger, error) {
	anyone, err := access.NewAnyone(l, access.Identity{Name: "demo", Role: access.Operator, Mailboxes: []string{access.EveryMailbox}})
	if err != nil {
		return nil, nil, err
	}
	cfg, err := settings.Parse[served](map[string]string{"SERVE_DRAIN": "5s"})
	if err != nil {
		return nil, nil, err
	}
	history, err := ledger.Open(ctx, "sqlite://"+filepath.ToSlash(filepath.Join(p.dir, "ledger.db")))
	if err != nil {
		return nil, nil, err
	}
	s, err := server.Open(ctx, server.Parts{JS: p.JS, Objects: p.Objects, Fleet: p.Fleet, StateTTL: cfg.Attempts.StateTTL, Ledger: history,
		Access: anyone, Monitor: p.Monitor, Budget: p.spending(), Plan: simulate.Answer}, cfg.Server, cfg.API)
	if err != nil {
		return nil, nil, errors.Join(err, history.Close())
	}
	return s, history, nil
}

// spending says what the Lambda may cost and did; nil without a bridge.
func (p *Platform) spending() func(context.Context) (console.Budget, error) {
	if p.Bridge == nil {
		return nil
	}
	return func(ctx context.Context) (console.Budget, error) {
		s, err := shares.ReadSpent(ctx, p.JS, p.budget)
		b := console.Budget{Settled: s.Total, Short: s.Short}
		for _, l := range s.Limits {
			b.Limits = append(b.Limits, console.Limit(l))
		}
		return b, err
	}
}
