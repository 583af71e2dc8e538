// Package local is the whole platform in one process: an embedded NATS server,
// workers, a bridge, and a local Lambda whose environments are real processes.
//
// It runs what production runs; only the places are local.
package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/budget"
	"github.com/sagefleet/sagefleet/bridge/reconcile"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
	"github.com/sagefleet/sagefleet/worker"
)

// Config says how much of everything there is.
type Config struct {
	Dir     string   // of the queue and the files; made if missing
	Workers int      // workers; 2
	Slots   int      // executions at once in each worker; 1
	Lambda  []string // argv of the Lambda's bootstrap; none means no bridge
	// LambdaEnv is added to the Lambda's environment, KEY=value.
	LambdaEnv   []string
	Concurrency int // Lambda environments at most; 4
	Language    string
	BudgetUSD   float64 // what the Lambda may cost in an hour; 0 is no limit
}

// Platform is what runs.
type Platform struct {
	JS      jetstream.JetStream
	Objects storage.Store
	Fleet   bus.Config
	Lambda  *lambdalocal.Service // nil without a bridge
	Bridge  *bridge.Bridge       // nil without one

	dir     string
	budget  budget.Config
	Monitor *telemetry.Monitor // of everything in this process together
}

// Run starts the platform, calls body, and stops everything when body returns.
func Run(ctx context.Context, cfg Config, body func(context.Context, *Platform) error) error {
	cfg = cfg.withDefaults()
	ns, err := startServer(filepath.Join(cfg.Dir, "nats"))
	if err != nil {
		return err
	}
	defer func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	}()
	fleet, err := settings.Parse[bus.Config](nil)
	if err != nil {
		return err
	}
	fleet.URL = ns.ClientURL()
	nc, err := bus.Connect(ctx, fleet, "local")
	if err != nil {
		return err
	}
	defer nc.Close()
	if got := nc.ConnectedServerName(); got != ns.Name() {
		return fmt.Errorf("connected to server %s instead of our own", got)
	}
	js, err := bus.Open(nc)
	if err != nil {
		return err
	}
	if err := bus.Provision(ctx, js, fleet); err != nil {
		return err
	}
	objects, err := storage.Open(ctx, "file://"+filepath.Join(cfg.Dir, "storage"))
	if err != nil {
		return err
	}
	monitor := telemetry.New("local", telemetry.Config{Mailboxes: 50})
	monitor.CheckConnection(nc)
	p := &Platform{JS: js, Objects: monitor.Store(objects), Fleet: fleet, Monitor: monitor, dir: cfg.Dir}
	return p.run(ctx, cfg, body)
}

func (c Config) withDefaults() Config {
	or := func(v, d int) int {
		if v > 0 {
			return v
		}
		return d
	}
	c.Workers, c.Slots, c.Concurrency = or(c.Workers, 2), or(c.Slots, 1), or(c.Concurrency, 4)
	if c.Language == "" {
		c.Language = "es"
	}
	return c
}

func startServer(dir string) (*server.Server, error) {
	ns, err := server.NewServer(&server.Options{
		ServerName: fmt.Sprintf("sage-local-%d", os.Getpid()), Host: "127.0.0.1", Port: -1,
		JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return nil, fmt.Errorf("embedded nats-server: %w", err)
	}
	go ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		return nil, fmt.Errorf("embedded nats-server did not start in 10 s")
	}
	return ns, nil
}

func (p *Platform) run(ctx context.Context, cfg Config, body func(context.Context, *Platform) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	work, err := settings.Parse[worker.Config](map[string]string{"SLOTS": strconv.Itoa(cfg.Slots), "REPORT_LANGUAGE": cfg.Language})
	if err != nil {
		return err
	}
	workers := make([]*worker.Worker, cfg.Workers)
	for i := range workers {
		name := fmt.Sprintf("worker-%d", i+1)
		w, err := worker.New(ctx, p.JS, p.Objects, p.Fleet, name, work)
		if err != nil {
			return err
		}
		w.Watch(p.Monitor)
		p.Monitor.Check(name, w.Bound)
		workers[i] = w
		group.Go(func() error { return w.Run(named(ctx, name)) })
	}
	p.Monitor.Slots(func() queue.Usage { return together(workers) })
	if len(cfg.Lambda) > 0 {
		err = p.addBridge(ctx, group, cfg)
	} else {
		err = p.addReconciler(ctx, group)
	}
	if err != nil {
		return err
	}
	group.Go(func() error {
		defer stop()
		return body(ctx, p)
	})
	return group.Wait()
}

func (p *Platform) addBridge(ctx context.Context, group *errgroup.Group, cfg Config) error {
	const memoryMB, timeout = 1769, 5 * time.Minute
	var err error
	if p.Lambda, err = lambdalocal.Listen(lambdalocal.Config{
		Function: "sage", Command: cfg.Lambda, Concurrency: cfg.Concurrency, MemoryMB: memoryMB, Timeout: timeout,
		Env: append([]string{"STORAGE_URL=" + p.Objects.URL(), "REPORT_LANGUAGE=" + cfg.Language}, cfg.LambdaEnv...),
	}); err != nil {
		return err
	}
	calls, err := settings.Parse[remote.Config](map[string]string{
		"LAMBDA_FUNCTION": "sage", "LAMBDA_ENDPOINT": p.Lambda.URL(), "LAMBDA_CONCURRENCY": strconv.Itoa(cfg.Concurrency),
		"LAMBDA_MEMORY_MB": strconv.Itoa(memoryMB), "LAMBDA_TIMEOUT": timeout.String(),
	})
	if err != nil {
		return err
	}
	client, err := remote.NewClient(ctx, calls)
	if err != nil {
		return err
	}
	over, err := settings.Parse[bridge.Config](map[string]string{
		"BRIDGE_SLOTS": strconv.Itoa(cfg.Concurrency), "OVERFLOW_CPU": "0", // this host's CPU is also the Lambda's
		"BUDGET_HOUR_USD": strconv.FormatFloat(cfg.BudgetUSD, 'f', -1, 64),
	})
	if err != nil {
		return err
	}
	b, err := bridge.Open(ctx, p.JS, p.Objects, p.Fleet, client, "bridge", over, calls, bridge.WithWatcher(p.Monitor))
	if err != nil {
		return err
	}
	p.Bridge, p.budget = b, over.Budget
	p.Monitor.Check("bridge", b.Bound)
	p.Monitor.Register(b.Collector())
	group.Go(func() error { return p.Lambda.Run(named(ctx, "lambda")) })
	group.Go(func() error { return b.Run(named(ctx, "bridge")) })
	return nil
}

// addReconciler does what else a bridge does, where there is none.
func (p *Platform) addReconciler(ctx context.Context, group *errgroup.Group) error {
	cfg, err := settings.Parse[bridge.Config](nil)
	if err != nil {
		return err
	}
	r, err := reconcile.New(ctx, p.JS, p.Objects, p.Fleet, cfg.Guard.StateTTL, "local", cfg.Reconcile)
	if err != nil {
		return err
	}
	group.Go(func() error { return r.Run(named(ctx, "reconciler")) })
	return nil
}

// together adds up what the slots of all workers do.
func together(workers []*worker.Worker) (all queue.Usage) {
	for _, w := range workers {
		u := w.Usage()
		all.Slots, all.Busy, all.LocalSlots, all.LocalBusy = all.Slots+u.Slots, all.Busy+u.Busy, all.LocalSlots+u.LocalSlots, all.LocalBusy+u.LocalBusy
	}
	return all
}

func named(ctx context.Context, service string) context.Context {
	return zerolog.Ctx(ctx).With().Str("service", service).Logger().WithContext(ctx)
}
