// Command demo runs the whole fleet on this machine, on embedded defaults: it
// submits a burst of files, shows them being executed by workers and by a local
// Lambda, and checks that nothing was lost and no result committed twice.
//
// It is its own Lambda: the local Lambda starts this program again as the
// bootstrap of each environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/sagefleet/sagefleet/deploy/local"
	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/worker"
)

type options struct {
	Files   int           `default:"120" help:"How many executions to submit at once."`
	Workers int           `default:"2" help:"How many workers to run."`
	Config  string        `type:"existingfile" help:"Your own SAGE configuration, instead of the demo's."`
	Data    []string      `type:"existingfile" help:"Your own data file; repeat it for the files of a ZIP package."`
	Dir     string        `help:"Keep queue and files here, instead of a temporary directory."`
	JSON    bool          `name:"json" help:"Print one line of JSON at the end and nothing else."`
	Serve   bool          `help:"Serve the console, and stay up after the burst, until interrupted."`
	Listen  string        `default:"127.0.0.1:0" placeholder:"ADDRESS" help:"Where to serve it; only addresses of this machine alone (${default})."`
	Rate    int           `default:"40" help:"With --serve, how many files to submit in a minute after the burst; 0 is none (${default})."`
	Lang    string        `enum:"es,en" default:"es" help:"Language of the reports: ${enum}."`
	Budget  float64       `name:"budget-usd" default:"1" placeholder:"USD" help:"What the Lambda may cost in an hour, at AWS prices; 0 is no limit (${default})."`
	Timeout time.Duration `default:"10m" help:"Give up when the burst takes longer."`
}

func main() {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		if err := worker.ServeLambda(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "lambda:", err)
			os.Exit(1)
		}
		return
	}
	var opts options
	kong.Parse(&opts, kong.Name("demo"), kong.Description(
		"Runs the whole fleet on this machine: embedded NATS, workers, a bridge and a local Lambda. "+
			"Exits 0 when every execution ended and the history check found nothing."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	level := zerolog.WarnLevel
	if opts.JSON {
		level = zerolog.ErrorLevel
	}
	log := zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr, TimeFormat: time.TimeOnly, NoColor: !term.IsTerminal(2)}).Level(level).With().Timestamp().Logger()
	if err := run(log.WithContext(ctx), opts); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, opts options) error {
	if (opts.Config == "") != (len(opts.Data) == 0) {
		return errors.New("--config and --data go together")
	}
	if opts.Files < 1 || opts.Workers < 1 || !(opts.Budget >= 0) {
		return errors.New("--files and --workers take 1 or more, --budget-usd 0 or more")
	}
	dir, err := directory(opts.Dir)
	if err != nil {
		return err
	}
	burst, err := submissions(opts.Files)
	if opts.Config != "" {
		burst, err = own(opts.Files, opts.Config, opts.Data)
	}
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return local.Run(ctx, local.Config{Dir: dir, Workers: opts.Workers, Lambda: []string{self}, Language: opts.Lang, BudgetUSD: opts.Budget},
		func(ctx context.Context, p *local.Platform) error {
			d := demo{opts: opts, dir: dir, platform: p, out: newScreen(os.Stdout, opts.JSON)}
			if !opts.Serve {
				return d.burst(ctx, burst)
			}
			return d.serve(ctx, burst)
		})
}

func directory(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "sage-demo-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o750)
}

// demo is one burst on a running platform.
type demo struct {
	opts     options
	dir      string
	platform *local.Platform
	out      *screen
}

// serve shows the fleet in the console during the burst and after it, until ctx ends.
func (d demo) serve(ctx context.Context, burst []producer.Submission) error {
	l, err := net.Listen("tcp", d.opts.Listen)
	if err != nil {
		return err
	}
	d.out.console("http://" + l.Addr().String() + "/")
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.platform.Serve(ctx, l) })
	group.Go(func() error {
		if err := d.burst(ctx, burst); err != nil {
			return err
		}
		d.out.serving(d.platform)
		return d.flow(ctx)
	})
	return group.Wait()
}

// burst submits everything, waits until it has ended, and shows what came of it.
func (d demo) burst(ctx context.Context, all []producer.Submission) error {
	p := d.platform
	d.out.begin(len(all), d.opts.Workers, d.dir)
	submit := producer.New(p.JS, p.Objects)
	var requests []execution.Request
	for _, s := range all { // uploads first, so that the requests arrive as a burst
		r, err := submit.Store(ctx, s)
		if err != nil {
			return err
		}
		requests = append(requests, r)
		d.out.stored(len(requests), len(all))
	}
	began := time.Now()
	if err := queue.PublishMany(ctx, p.JS, requests, nil); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, d.opts.Timeout)
	defer cancel()
	keys, err := d.await(waiting, requests)
	took := time.Since(began)
	if err != nil && ctx.Err() != nil {
		return err
	}
	report, err := history.Check(ctx, p.JS, outcome.New(p.Objects), keys)
	if err != nil {
		return err
	}
	overflow, err := d.overflow(ctx)
	if err != nil {
		return err
	}
	d.out.result(report, overflow, took, filepath.Join(d.dir, "storage"))
	if err := d.keepReports(ctx, keys); err != nil {
		return err
	}
	if !report.Clean() {
		return fmt.Errorf("the history check found %d violations, %d lost, %d doubled", len(report.Findings), report.Lost, report.Doubled)
	}
	return nil
}

// overflow is what the bridge decided, and what came of it.
type overflow struct {
	Policy    string `json:"policy"`    // in force
	Decisions uint64 `json:"decisions"` // told
	Residue   uint64 `json:"residue"`   // delegated although a worker had a free slot
}

func (d demo) overflow(ctx context.Context) (overflow, error) {
	stream, err := d.platform.JS.Stream(ctx, bus.StreamDecisions)
	if err != nil {
		return overflow{}, fmt.Errorf("count decisions: %w", err)
	}
	now := d.platform.Bridge.Now()
	return overflow{now.Policy, stream.CachedInfo().State.Msgs, now.Residue}, nil
}

// await watches the outcomes until every request has one.
func (d demo) await(ctx context.Context, requests []execution.Request) ([]execution.Key, error) {
	outcomes := outcome.New(d.platform.Objects)
	keys := make([]execution.Key, len(requests))
	open := map[execution.Key]bool{}
	for i, r := range requests {
		keys[i] = r.Key()
		open[r.Key()] = true
	}
	byExecutor := map[string]int{}
	for {
		for k := range open {
			o, err := outcomes.Read(ctx, k)
			if errors.Is(err, outcome.ErrNone) {
				continue
			}
			if err != nil {
				return keys, err
			}
			delete(open, k)
			byExecutor[o.Executor]++
		}
		lag, err := queue.Lag(ctx, d.platform.JS)
		if err != nil {
			return keys, err
		}
		d.out.progress(len(keys)-len(open), len(keys), byExecutor, lag)
		// Ended means settled, too: the last acknowledgement follows the outcome.
		if len(open) == 0 && lag.InFlight == 0 {
			return keys, nil
		}
		select {
		case <-ctx.Done():
			return keys, fmt.Errorf("%d executions did not end: %w", len(open), ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
