package e2e

import (
	"context"
	"errors"
	"flag"
	"io"
	"maps"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/deploy/compose"
	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

// plain runs the fleet on a server without TLS, where anyone may do anything.
var plain = flag.Bool("plain", false, "run the fleet without TLS, identities and permissions")

// composed tells every process what deploy/compose tells it, as far as the test doesn't.
var composed = flag.Bool("composed", false, "run the fleet with the environment of deploy/compose, without TLS")

// open reports whether anyone may do anything on the fleet's server.
func open() bool { return *plain || *composed }

// mailboxes are those of the one producer there is.
var mailboxes = []string{"pedidos", "ventas", "casilla-1", "casilla-2", "casilla-3", "casilla-4", "casilla-5", "casilla-6"}

// fleet is a provisioned server, a store, and what the processes are told of them.
type fleet struct {
	security bustest.Security
	clients  *nats.Conn          // the producer's
	js       jetstream.JetStream // the operator's
	objects  storage.Store
	outcomes *outcome.Store
	producer *producer.Producer
	cfg      bus.Config
	vars     map[string]string
	topology *compose.Processes // nil unless composed
}

// newFleet starts a server and provisions it. vars is added to what every process
// is told.
func newFleet(t testing.TB, storageURL string, vars map[string]string) *fleet {
	t.Helper()
	security := secure(t)
	if *composed {
		return newComposedFleet(t, security, storageURL, vars)
	}
	s := startServer(t, security, t.TempDir(), process.AnyPort)
	f := prepareFleet(t, security, s.URL, storageURL, vars)
	f.join(t, s)
	return f
}

// secure makes what a server and those who connect to it are told.
func secure(t testing.TB) bustest.Security {
	t.Helper()
	return bustest.Secure(t, "", map[string][]string{"e2e": mailboxes})
}

func startServer(t testing.TB, security bustest.Security, dir string, port int) process.Server {
	t.Helper()
	if open() {
		return process.StartServer(t, binaries, dir, port)
	}
	return process.StartServer(t, binaries, dir, port, "--config", security.File)
}

// prepareFleet returns a fleet without a server.
func prepareFleet(t testing.TB, security bustest.Security, natsURL, storageURL string, vars map[string]string) *fleet {
	t.Helper()
	process.DependOnSources(t)
	f := &fleet{security: security, vars: map[string]string{"NATS_URL": natsURL, "STORAGE_URL": storageURL, "SCRATCH_DIR": t.TempDir()}}
	maps.Copy(f.vars, process.AWSVariables)
	maps.Copy(f.vars, vars)
	var err error
	if f.cfg, err = env.ParseAsWithOptions[bus.Config](env.Options{Environment: f.vars}); err != nil {
		t.Fatal(err)
	}
	if f.objects, err = storage.Open(t.Context(), storageURL); err != nil {
		t.Fatal(err)
	}
	f.outcomes = outcome.New(f.objects)
	return f
}

// join connects to s and provisions it.
func (f *fleet) join(t testing.TB, s process.Server) {
	t.Helper()
	_, admin := s.Connect(t, f.config(bus.IdentityAdmin))
	if err := bus.Provision(t.Context(), admin, f.cfg); err != nil {
		t.Fatal(err)
	}
	_, f.js = s.Connect(t, f.config(bus.IdentityOperator))
	var js jetstream.JetStream
	f.clients, js = s.Connect(t, f.config(bus.Producer("e2e")))
	f.producer = producer.New(js, f.objects)
}

// config is how i connects.
func (f *fleet) config(i bus.Identity) bus.Config {
	if open() {
		return f.cfg
	}
	return f.security.As(i, f.cfg)
}

// as returns the fleet's variables as i is told them, and more.
func (f *fleet) as(i bus.Identity, more map[string]string) map[string]string {
	all := f.told(i)
	maps.Copy(all, f.vars)
	if !open() {
		maps.Copy(all, f.security.Variables(i))
	}
	maps.Copy(all, more)
	return all
}

// startWorker starts a worker and waits until it takes executions.
func (f *fleet) startWorker(t testing.TB) *process.Process {
	t.Helper()
	return f.startService(t, "worker", "worker takes executions", nil)
}

// startBridge starts a bridge that forwards to service, at most as much as it can
// run, and waits until it watches the backlog.
func (f *fleet) startBridge(t testing.TB, service *lambdalocal.Service) *process.Process {
	t.Helper()
	return f.startService(t, "bridge", "bridge watches the backlog", map[string]string{
		"LAMBDA_FUNCTION": function, "LAMBDA_ENDPOINT": service.URL(), "LAMBDA_TIMEOUT": lambdaTimeout.String(),
		"BRIDGE_SLOTS": strconv.Itoa(lambdaConcurrency), "OVERFLOW_PENDING": "3",
		"OVERFLOW_CPU": "0", // the load of this machine is not the fleet's alone
	})
}

func (f *fleet) startService(t testing.TB, name, sign string, vars map[string]string) *process.Process {
	t.Helper()
	p := start(t, name, f.as(bus.Identity(name), vars))
	process.Eventually(t, 20*time.Second, p.String()+" says: "+sign, func() bool {
		if !p.Running() {
			t.Fatalf("%s ended", p)
		}
		return len(p.Logged(sign)) > 0
	})
	return p
}

const (
	function          = "sage"
	lambdaConcurrency = 2
	lambdaTimeout     = time.Minute
)

// startLambda runs a local Lambda, whose environments are processes of the real
// binary, until the test ends.
func (f *fleet) startLambda(t testing.TB) *lambdalocal.Service {
	t.Helper()
	return f.startLambdaWith(t, lambdalocal.Config{Timeout: lambdaTimeout, Concurrency: lambdaConcurrency}, nil)
}

// startLambdaWith is startLambda with a configuration of its own, and more variables.
func (f *fleet) startLambdaWith(t testing.TB, cfg lambdalocal.Config, vars map[string]string) *lambdalocal.Service {
	t.Helper()
	logs := &process.Output{}
	if cfg.Logs == nil {
		cfg.Logs = io.Discard
	}
	cfg.Function, cfg.Command, cfg.Logs = function, []string{filepath.Join(binaries, "lambda")}, io.MultiWriter(logs, cfg.Logs)
	for name, value := range f.as(bus.IdentityLambda, vars) {
		cfg.Env = append(cfg.Env, name+"="+value)
	}
	service, err := lambdalocal.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the Lambda wrote:\n%s", logs.Tail(16<<10))
		}
	})
	return service
}

// outcome waits for the outcome of the first generation of an execution.
func (f *fleet) outcome(t testing.TB, mailbox, id string) execution.Outcome {
	t.Helper()
	var o execution.Outcome
	process.Eventually(t, 20*time.Second, "the outcome of "+mailbox+"/"+id, func() bool {
		var err error
		o, err = f.outcomes.Read(t.Context(), execution.Key{Mailbox: mailbox, ID: id, Generation: 1})
		if err != nil && !errors.Is(err, outcome.ErrNone) {
			t.Fatal(err)
		}
		return err == nil
	})
	return o
}

// backlog is what waits and what is being worked on.
func (f *fleet) backlog(t testing.TB) queue.Backlog {
	t.Helper()
	b, err := queue.Lag(t.Context(), f.js)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// settled waits until every message of the queue has been acknowledged.
func (f *fleet) settled(t testing.TB, within time.Duration) {
	t.Helper()
	process.Eventually(t, within, "nothing waits and nothing is in flight", func() bool {
		b := f.backlog(t)
		return b.Waiting == 0 && b.InFlight == 0 && b.Local == 0 && b.Later == 0
	})
}
