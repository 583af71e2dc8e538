package bustest

import (
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// Cluster runs three servers that replicate, and provisions them.
func Cluster(t testing.TB) jetstream.JetStream {
	t.Helper()
	return Servers(t)[0].Connect(t, "test")
}

// Servers is [Cluster] for who stops some of them.
func Servers(t testing.TB) []Server {
	t.Helper()
	var servers []Server
	routes := "nats://127.0.0.1:1" // the first has nobody to look for; the others find it
	for range 3 {
		s := Run(t, func(o *server.Options) {
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: -1, NoAdvertise: true}
			o.Routes = server.RoutesFromStr(routes)
		})
		routes = "nats://" + s.ClusterAddr().String()
		servers = append(servers, s)
	}
	AwaitCluster(t, servers)
	cfg := servers[0].Config
	cfg.Replicas = 3
	if err := bus.Provision(t.Context(), servers[0].Connect(t, "test"), cfg); err != nil {
		t.Fatal(err)
	}
	return servers
}

// AwaitCluster waits until one of the servers leads and hears all others, so that streams
// find their places.
func AwaitCluster(t testing.TB, servers []Server) {
	t.Helper()
	whole := func(s Server) bool {
		if !s.JetStreamIsLeader() {
			return false
		}
		info, err := s.Jsz(&server.JSzOptions{})
		if err != nil || info.Meta == nil {
			return false
		}
		here := 1
		for _, peer := range info.Meta.Replicas {
			if peer.Current && !peer.Offline {
				here++
			}
		}
		return here == len(servers)
	}
	for deadline := time.Now().Add(time.Minute); !slices.ContainsFunc(servers, whole); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no leader of %d servers hears the others", len(servers))
		}
	}
}
