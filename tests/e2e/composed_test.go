package e2e

import (
	"maps"
	"slices"
	"testing"

	"github.com/sagefleet/sagefleet/deploy/compose"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/tests/process"
)

// prepareTopology makes deploy/compose's services ready to start on this machine.
func prepareTopology(t testing.TB) *compose.Processes {
	t.Helper()
	topology, err := compose.Load(t.Context(), "../../deploy/compose", "compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := topology.Prepare(t.TempDir(), binaries)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// newComposedFleet is newFleet with the server's configuration of deploy/compose.
func newComposedFleet(t testing.TB, security bustest.Security, storageURL string, vars map[string]string) *fleet {
	t.Helper()
	p := prepareTopology(t)
	server := p.All[slices.IndexFunc(p.All, func(one compose.Process) bool { return one.Service == "nats" })]
	s := process.StartConfiguredServer(t, binaries, t.TempDir(), process.AnyPort, server.Command[1:]...)
	all, err := p.Environment("provision")
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"NATS_URL", "STORAGE_URL"} { // each test has its own
		delete(all, own)
	}
	maps.Copy(all, vars)
	f := prepareFleet(t, security, s.URL, storageURL, all)
	f.topology = p
	f.join(t, s)
	return f
}

// told is what deploy/compose tells i's program.
func (f *fleet) told(i bus.Identity) map[string]string {
	if f.topology == nil {
		return map[string]string{}
	}
	service := string(i)
	if i == bus.IdentityAdmin || i == bus.IdentityOperator {
		service = "sage"
	}
	all, err := f.topology.Environment(service)
	if err != nil { // a producer is none of the services
		return map[string]string{}
	}
	delete(all, "METRICS_LISTEN") // is one port, and a test may have several of a kind
	return all
}
