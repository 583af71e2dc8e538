// Command lambdalocal is AWS Lambda on this machine: it answers the Invoke API by
// running a bootstrap, as many processes as there are invocations at once.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
)

type options struct {
	Listen      string        `default:"127.0.0.1:0" help:"Address to answer on; port 0 takes a free one."`
	Function    string        `default:"sage" help:"Name of the function."`
	Env         []string      `short:"e" sep:"none" placeholder:"KEY[=VALUE]" help:"Variable of the function; without a value, as it is here. Nothing else is inherited."`
	Memory      int           `default:"1024" placeholder:"MB" help:"Configured memory, for the bill; it isn't enforced."`
	Timeout     time.Duration `default:"15m" help:"Of one invocation."`
	Concurrency int           `default:"1000" help:"Most invocations at once; more are throttled."`
	ScaleRate   int           `default:"1000" help:"Most new environments in 10 seconds."`
	KeepAlive   time.Duration `default:"5m" help:"How long an idle environment lives."`
	NeverFreeze bool          `help:"Let environments run on between invocations."`
	Retries     int           `default:"2" help:"How often an event is repeated after a function error, 0 to 2."`
	EventAge    time.Duration `default:"6h" help:"How old an event may become."`
	OnFailure   string        `type:"path" placeholder:"DIR" help:"Folder for events that were given up."`
	Quiet       bool          `short:"q" help:"Don't show what the function writes."`
	JSON        bool          `name:"json" help:"Say what there is in JSON: a line at the start and one at the end."`
	Bootstrap   []string      `arg:"" passthrough:"" help:"The function's program, such as bin/lambda, and its arguments."`
}

func main() {
	var opts options
	kong.Parse(&opts, kong.Name("lambdalocal"), kong.Description(
		"Answers as AWS Lambda does, with real processes of a bootstrap, until SIGTERM. Requests are not authenticated. "+
			"Exits 0 when it was asked to stop, 1 on errors."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "lambdalocal:", err)
		stop()
		os.Exit(1)
	}
}

// run serves until ctx ends, and says to out where, and in the end what happened.
func run(ctx context.Context, opts options, out, logs io.Writer) error {
	cfg := opts.config(logs)
	service, err := lambdalocal.Listen(cfg)
	if err != nil {
		return err
	}
	if opts.JSON {
		err = json.NewEncoder(out).Encode(map[string]string{"function": opts.Function, "endpoint": service.URL()})
	} else {
		_, err = fmt.Fprintf(out, "function  %s: %s\nendpoint  %s\nbridge    LAMBDA_FUNCTION=%s LAMBDA_ENDPOINT=%s bridge\ninvoke    curl -d '{}' %s/2015-03-31/functions/%s/invocations\n",
			opts.Function, strings.Join(opts.Bootstrap, " "), service.URL(), opts.Function, service.URL(), service.URL(), opts.Function)
	}
	if err != nil {
		return err
	}
	if err := service.Run(ctx); err != nil {
		return err
	}
	stats := service.Stats()
	if opts.JSON {
		return json.NewEncoder(out).Encode(stats)
	}
	_, err = fmt.Fprintf(out, "ran       %d invocations, %d with errors, at most %d at once, %d cold starts, %.1f s billed\nrefused   %d throttled, %d events given up\n",
		stats.Invocations, stats.Errors, stats.MaxConcurrent, stats.ColdStarts, float64(stats.BilledMillis)/1000, stats.Throttles, stats.Dropped)
	return err
}

func (o options) config(logs io.Writer) lambdalocal.Config {
	if len(o.Bootstrap) > 1 && o.Bootstrap[0] == "--" { // which the parser hands on
		o.Bootstrap = o.Bootstrap[1:]
	}
	cfg := lambdalocal.Config{
		Function: o.Function, Command: o.Bootstrap, Listen: o.Listen, MemoryMB: o.Memory, Timeout: o.Timeout,
		Concurrency: o.Concurrency, ScaleRate: o.ScaleRate, KeepAlive: o.KeepAlive, NeverFreeze: o.NeverFreeze, Logs: logs,
		Events: lambdalocal.Events{MaximumRetryAttempts: &o.Retries, MaximumEventAge: o.EventAge},
	}
	if o.Quiet {
		cfg.Logs = nil
	}
	if o.OnFailure != "" {
		cfg.Events.OnFailure = lambdalocal.ToFolder(o.OnFailure, o.Function)
	}
	for _, variable := range o.Env {
		if !strings.Contains(variable, "=") {
			variable += "=" + os.Getenv(variable)
		}
		cfg.Env = append(cfg.Env, variable)
	}
	return cfg
}
