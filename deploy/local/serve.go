package local

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/console"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// Serve serves the console on l until ctx ends, and closes l. Whoever is on this
// machine is an operator there, without logging in; l must be out of others' reach.
func (p *Platform) Serve(ctx context.Context, l net.Listener) (err error) {
	anyone, err := access.NewAnyone(l, access.Identity{Name: "demo", Role: access.Operator, Mailboxes: []string{access.EveryMailbox}})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	attempts, err := settings.Parse[guard.Config](nil)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	history, err := ledger.Open(ctx, "sqlite://"+filepath.Join(p.dir, "ledger.db"))
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() { err = errors.Join(err, history.Close()) }()
	pages := console.New(console.Parts{Access: anyone, JS: p.JS, Objects: p.Objects, Fleet: p.Fleet, StateTTL: attempts.StateTTL, Ledger: history})
	server := http.Server{Handler: pages, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return pages.Run(named(ctx, "console")) })
	group.Go(func() error { return ledger.NewProjector(history, p.JS).Run(named(ctx, "ledger")) })
	group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(patience)
	})
	return group.Wait()
}
