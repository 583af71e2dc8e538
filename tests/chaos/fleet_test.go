package chaos

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

// fleet is a server, a store, and the processes that share them.
type fleet struct {
	server   process.Server
	js       jetstream.JetStream
	objects  storage.Store
	outcomes *outcome.Store
	producer *producer.Producer
	vars     map[string]string // what every process is told
	armory   string            // of armed failpoints
	services []*service
}

// service is a process that is started again when it has ended.
type service struct {
	*process.Process
	name, sign string
	vars       map[string]string
}

func newFleet(t testing.TB, storageURL string) *fleet {
	t.Helper()
	process.DependOnSources(t)
	f := &fleet{server: process.StartServer(t, binaries, t.TempDir(), process.AnyPort), armory: t.TempDir()}
	f.vars = map[string]string{
		"NATS_URL": f.server.URL, "STORAGE_URL": storageURL, "SCRATCH_DIR": t.TempDir(), "SAGE_FAILPOINT_DIR": f.armory,
		"QUEUE_ACK_WAIT": ackWait.String(), "BACKOFF_CAP": "5s", "SLOTS": "2",
	}
	maps.Copy(f.vars, process.AWSVariables)
	cfg, err := env.ParseAsWithOptions[bus.Config](env.Options{Environment: f.vars})
	if err != nil {
		t.Fatal(err)
	}
	if f.objects, err = storage.Open(t.Context(), storageURL); err != nil {
		t.Fatal(err)
	}
	_, f.js = f.server.Connect(t, cfg)
	if err := bus.Provision(t.Context(), f.js, cfg); err != nil {
		t.Fatal(err)
	}
	f.outcomes, f.producer = outcome.New(f.objects), producer.New(f.js, f.objects)
	return f
}

// with returns the fleet's variables and more.
func (f *fleet) with(more map[string]string) map[string]string {
	all := maps.Clone(f.vars)
	maps.Copy(all, more)
	return all
}

func (f *fleet) addWorker() {
	f.services = append(f.services, &service{name: "worker", sign: "worker takes executions", vars: f.vars})
}

// addBridge adds a bridge that forwards whatever waits to lambda.
func (f *fleet) addBridge(lambda *lambdalocal.Service) {
	f.services = append(f.services, &service{name: "bridge", sign: "bridge watches the backlog", vars: f.with(map[string]string{
		"LAMBDA_FUNCTION": function, "LAMBDA_ENDPOINT": lambda.URL(), "LAMBDA_TIMEOUT": lambdaTimeout.String(),
		"LAMBDA_MARGIN": lambdaMargin.String(), "BRIDGE_SLOTS": strconv.Itoa(lambdaConcurrency), "OVERFLOW_PENDING": "0", "OVERFLOW_CPU": "0",
	})})
}

const (
	function          = "sage"
	lambdaConcurrency = 2
	lambdaTimeout     = 10 * time.Second
	lambdaMargin      = 2 * time.Second
)

// startLambda runs a local Lambda, whose environments are processes of the real
// binary, until the test ends.
func (f *fleet) startLambda(t testing.TB) *lambdalocal.Service {
	t.Helper()
	cfg := lambdalocal.Config{Function: function, Command: []string{program("lambda")}, Concurrency: lambdaConcurrency,
		Timeout: lambdaTimeout, Events: lambdalocal.Events{RetryDelay: time.Second}}
	for name, value := range f.vars {
		cfg.Env = append(cfg.Env, name+"="+value)
	}
	lambda, err := lambdalocal.Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- lambda.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return lambda
}

// revive starts every service that doesn't run, and waits until all are at work.
func (f *fleet) revive(t testing.TB) {
	t.Helper()
	var started []*service
	for _, s := range f.services {
		if s.Process == nil || !s.Running() {
			s.Process = process.Start(t, program(s.name), s.vars)
			started = append(started, s)
		}
	}
	for _, s := range started {
		process.Eventually(t, time.Minute, s.String()+" says: "+s.sign, func() bool {
			if !s.Running() {
				t.Fatalf("%s ended", s)
			}
			return len(s.Logged(s.sign)) > 0
		})
	}
}

// ended counts the services that ended since they were revived.
func (f *fleet) ended() (n int) {
	for _, s := range f.services {
		if !s.Running() {
			n++
		}
	}
	return n
}

// arm makes the first process that comes to p do what action says.
func (f *fleet) arm(t testing.TB, p failpoint.Point, action string) {
	t.Helper()
	// Made whole before it has its name: a process may look at any moment.
	draft := filepath.Join(f.armory, "."+string(p))
	if err := os.WriteFile(draft, []byte(action), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(draft, filepath.Join(f.armory, string(p))); err != nil {
		t.Fatal(err)
	}
}

// armed reports whether no process has come to p yet.
func (f *fleet) armed(p failpoint.Point) bool {
	_, err := os.Stat(filepath.Join(f.armory, string(p)))
	return !errors.Is(err, fs.ErrNotExist)
}

// idle reports whether the queue holds nothing, not even a retry that waits.
func (f *fleet) idle(t testing.TB) bool {
	t.Helper()
	none, err := nothingWaits(t.Context(), f.js)
	if err != nil {
		t.Fatal(err)
	}
	return none
}

func nothingWaits(ctx context.Context, js jetstream.JetStream) (bool, error) {
	b, err := queue.Lag(ctx, js)
	return b.Waiting == 0 && b.InFlight == 0 && b.Local == 0 && b.Later == 0, err
}

// read returns how k ended, or the zero Outcome.
func (f *fleet) read(t testing.TB, k execution.Key) execution.Outcome {
	t.Helper()
	o, err := f.outcomes.Read(t.Context(), k)
	if err != nil && !errors.Is(err, outcome.ErrNone) {
		t.Fatal(err)
	}
	return o
}
