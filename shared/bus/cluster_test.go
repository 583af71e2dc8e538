package bus_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// TestThreeServersReplicate starts a cluster from nothing but generated
// configurations, and holds it to what durability replicated promises.
func TestThreeServersReplicate(t *testing.T) {
	t.Parallel()
	security := bustest.Secure(t, "", nil)
	routes := []string{"127.0.0.1:1"} // of the first, which nobody answers; it is found by the others
	var servers []bustest.Server
	for range 3 {
		cfg := security.Config
		cfg.StoreDir, cfg.Monitor, cfg.Durability = t.TempDir(), "127.0.0.1:-1", bus.Replicated
		cfg.Cluster = bus.Cluster{Name: "test", Listen: "127.0.0.1:-1", Routes: routes, CA: security.CA}
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		s := security.Run(t, cfg)
		routes = []string{s.ClusterAddr().String()}
		servers = append(servers, s)
	}
	bustest.AwaitCluster(t, servers)
	fleet := servers[0].Config
	fleet.Replicas, fleet.Durability = 3, bus.Replicated
	for _, s := range servers {
		fleet.MonitorURL = append(fleet.MonitorURL, "http://"+s.MonitorAddr().String())
	}
	js := bustest.Server{Server: servers[0].Server, Config: security.As(bus.IdentityAdmin, fleet)}.Connect(t, bus.IdentityAdmin)
	alone := fleet
	alone.Replicas, alone.Durability = 1, bus.Fsync
	if err := bus.Provision(t.Context(), js, alone); err != nil {
		t.Fatal(err)
	}
	replicate(t, js, fleet)
	if err := bus.CheckDurability(t.Context(), js, fleet); err != nil {
		t.Error(err)
	}
	if urls := js.Conn().DiscoveredServers(); len(urls) > 0 {
		t.Errorf("clients are told of %v, which are in no certificate", urls)
	}

	// Whoever has no certificate of the authority stays outside.
	stranger := bustest.Secure(t, "", nil)
	cfg := stranger.Config
	cfg.StoreDir, cfg.Cluster = t.TempDir(), bus.Cluster{Name: "test", Listen: "127.0.0.1:-1", Routes: routes, CA: security.CA}
	outsider := stranger.Run(t, cfg)
	time.Sleep(3 * server.DEFAULT_ROUTE_CONNECT)
	if n := outsider.NumRoutes(); n != 0 {
		t.Errorf("a server with a foreign certificate has %d routes into the cluster", n)
	}
}

// replicate has what was on one server on three. The buckets that were written behind are
// made anew, which the server asks for, and nothing else is.
func replicate(t *testing.T, js jetstream.JetStream, fleet bus.Config) {
	t.Helper()
	if err := bus.Provision(t.Context(), js, fleet); fault.CodeOf(err) != bus.CodeDrift {
		t.Errorf("Provision in three replicas what has one: %v, want %s", err, bus.CodeDrift)
	}
	changes, err := bus.Diff(t.Context(), js, fleet.Topology())
	if err != nil {
		t.Fatal(err)
	}
	var anew []string
	for _, c := range changes {
		if c.Anew {
			anew = append(anew, c.Object)
		}
		if c.Optional {
			t.Errorf("%s is a choice", c)
		}
	}
	if !slices.Equal(anew, []string{"bucket sage_locks", "bucket sage_state"}) {
		t.Errorf("%v are made anew", anew)
	}
	if err := bus.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	if err := bus.Check(t.Context(), js, fleet); err != nil {
		t.Error(err)
	}
}

func TestClusterRefusesMistakes(t *testing.T) {
	t.Parallel()
	right := bus.Cluster{Name: "sage", Listen: "0.0.0.0:6222", Routes: []string{"nats-0.nats:6222"}, CA: "/etc/nats/ca.pem"}
	tests := map[string]struct {
		spoil func(*bus.Cluster)
		ok    bool
	}{
		"right":                {func(*bus.Cluster) {}, true},
		"none":                 {func(c *bus.Cluster) { *c = bus.Cluster{} }, true},
		"no routes":            {func(c *bus.Cluster) { c.Routes = nil }, false},
		"a route without port": {func(c *bus.Cluster) { c.Routes = []string{"nats-0.nats"} }, false},
		"no name":              {func(c *bus.Cluster) { c.Name = "" }, false},
		"no listener":          {func(c *bus.Cluster) { c.Listen = "" }, false},
		"no authority":         {func(c *bus.Cluster) { c.CA = "" }, false},
	}
	for name, tt := range tests {
		cfg := bus.ServerConfig{Cert: "c", Key: "k", Cluster: right}
		tt.spoil(&cfg.Cluster)
		if err := cfg.Validate(); (err == nil) != tt.ok {
			t.Errorf("%s: Validate = %v", name, err)
		}
	}
}
