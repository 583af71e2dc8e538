// Package bustest starts a real NATS server inside a test's process.
package bustest

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// Server is a running server of this test alone.
type Server struct {
	*server.Server
	Config bus.Config
}

// Run starts a server on a port of its own, with its store in the test's
// directory, and stops it with the test. The options may be changed first.
func Run(t testing.TB, change ...func(*server.Options)) Server {
	t.Helper()
	opts := &server.Options{
		ServerName: "test-" + nats.NewInbox()[7:], Host: "127.0.0.1", Port: -1,
		JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
		JetStreamMaxStore: 8 << 30, JetStreamMaxMemory: 1 << 30,
	}
	for _, f := range change {
		f(opts)
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	go ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server did not start")
	}
	t.Cleanup(func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	})
	return Server{Server: ns, Config: Config(ns)}
}

// Config is a fleet's configuration on ns, with an AckWait fit for tests.
func Config(ns *server.Server) bus.Config {
	return bus.Config{URL: ns.ClientURL(), Durability: bus.Fast, Replicas: 1, AckWait: 2 * time.Second,
		MaxAckPending: 10000, QueueMaxBytes: -1, EventsMaxAge: time.Hour}
}

// Connect returns a JetStream context, having checked that the server is ours.
func (s Server) Connect(t testing.TB, as bus.Identity, opts ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := bus.Connect(t.Context(), s.Config, as, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if got := nc.ConnectedServerName(); got != s.Name() {
		t.Fatalf("connected to %q, which is not this test's server", got)
	}
	js, err := bus.Open(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// Start runs a server and provisions it.
func Start(t testing.TB) jetstream.JetStream {
	t.Helper()
	s := Run(t)
	js := s.Connect(t, "test")
	if err := bus.Provision(t.Context(), js, s.Config); err != nil {
		t.Fatal(err)
	}
	return js
}
