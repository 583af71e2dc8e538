// Package console is the web console of a fleet: pages rendered on the server, for
// whoever operates it.
//
// Every page works without scripts. With them, the part of a page that is marked as
// live follows what happens: the page's own address, asked for an event stream, sends
// that part again whenever it has changed. No page holds an inline script or style,
// and none names another host.
package console

import (
	"context"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/planning"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Parts are what a console shows and acts on.
type Parts struct {
	Access   access.Identifier // who asks; one that offers [Sessions] lets people sign in
	JS       jetstream.JetStream
	Objects  storage.Store
	Fleet    bus.Config
	StateTTL time.Duration // for how long records of what is cancelled or redriven are kept

	// Ledger is the history; nil where none is kept.
	Ledger *ledger.Ledger
	// Submit takes files; nil where none are taken here.
	Submit Submitter
	// Budget says what the Lambda may cost and did; nil where there is no Lambda.
	Budget func(context.Context) (Budget, error)
	// Delegations is the ledger of what was handed to a Lambda; nil where it can't be read.
	Delegations *delegation.Ledger
	// Plan says what past executions would have cost; nil where nobody can.
	Plan planning.Planner
}

// Sessions begin and end a browser's visit; a [access.Gate] does.
type Sessions interface {
	SignIn(w http.ResponseWriter, r *http.Request, token string) (access.Identity, error)
	SignOut(w http.ResponseWriter, r *http.Request)
}

// Console serves the pages. Make one with [New].
type Console struct {
	parts    Parts
	events   *event.Publisher
	watch    *watch
	trends   *trends    // nil without a ledger
	spending *spending  // nil without a budget
	plans    *plans     // nil without a ledger, or a planner
	handed   *delegated // nil without the ledger of delegations
	handler  http.Handler
	closing  chan struct{} // closed when Run ends: then live pages end too
}

// New returns a Console of parts. Its pages show the fleet while Run runs.
func New(parts Parts) *Console {
	c := &Console{parts: parts, events: event.New(parts.JS, bus.SubjectEvent), watch: newWatch(), closing: make(chan struct{})}
	if parts.Ledger != nil {
		c.trends = newTrends(parts.Ledger)
	}
	if parts.Budget != nil {
		c.spending = &spending{ask: parts.Budget}
	}
	if parts.Plan != nil && parts.Ledger != nil {
		c.plans = newPlans(parts.Plan, parts.Ledger)
	}
	if parts.Delegations != nil {
		c.handed = newDelegated(parts.Delegations)
	}
	c.handler = c.routes()
	return c
}

// Run follows the fleet until ctx ends.
func (c *Console) Run(ctx context.Context) error {
	defer close(c.closing)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return c.watch.run(ctx, c.parts.JS) })
	return group.Wait()
}

// ServeHTTP answers requests for pages, for what they are made of, and for actions.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// page is what one address shows.
type page struct {
	name string // of its templates, its title and its place in the navigation
	view func(*visit) (any, error)
}

// route is one address. Handlers ask themselves what the visitor may do there:
// tests try every role and mailbox on each.
type route struct {
	pattern string
	handle  http.HandlerFunc
}

// guarded are the routes of those who are known.
func (c *Console) guarded() []route {
	all := []route{
		{"GET /{$}", c.show(page{"fleet", c.viewFleet})},
		{"GET /executions", c.show(page{"executions", c.viewExecutions})},
		{"GET /executions/{mailbox}/{id}", c.show(page{"execution", c.viewExecution})},
		{"GET /executions/{mailbox}/{id}/report", c.serveReport},
		{"GET /executions/{mailbox}/{id}/files/{name}", c.serveFile},
		{"POST /executions/{mailbox}/{id}/redrive", c.redrive},
		{"POST /executions/{mailbox}/{id}/cancel", c.cancel},
		{"GET /dead", c.show(page{"dead", c.viewDead})},
		{"GET /dead/export", c.exportDead},
		{"POST /dead/redrive", c.redriveGroup},
		{"/", func(w http.ResponseWriter, r *http.Request) { c.fail(w, newVisit(r), errNoPage) }},
	}
	if c.parts.Submit != nil {
		all = append(all, route{"GET /submit", c.show(page{"submit", c.viewSubmit})}, route{"POST /submit", c.submit})
	}
	if c.plans != nil {
		all = append(all, route{"GET /plan", c.plan})
	}
	return all
}

func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range c.guarded() {
		mux.HandleFunc(r.pattern, r.handle)
	}
	known := access.Handler(c.parts.Access, mux, c.refuse)
	open := http.NewServeMux()
	open.Handle("/", known)
	open.HandleFunc("GET /static/{name}", serveStatic)
	open.HandleFunc("POST /preferences", setPreferences)
	if sessions, ok := c.parts.Access.(Sessions); ok {
		open.HandleFunc("GET /login", c.askToken)
		open.HandleFunc("POST /login", c.signIn(sessions))
		open.HandleFunc("POST /logout", signOut(sessions))
	}
	return secured(http.NewCrossOriginProtection().Handler(open))
}

// show serves a page: whole, or its live part to whoever asks for an event stream.
func (c *Console) show(p page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := newVisit(r)
		if wantsStream(r) {
			c.follow(w, v, p)
			return
		}
		body, err := p.view(v)
		if err != nil {
			c.fail(w, v, err)
			return
		}
		c.write(w, v, http.StatusOK, p.name, body)
	}
}
