package e2e

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
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

// prepareSecureTopology is prepareTopology with TLS and identities, made as
// compose.tls.yaml says. producer is what one who submits is told besides.
func prepareSecureTopology(t *testing.T) (p *compose.Processes, producer map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for _, kind := range []string{"*.yaml", "*.env", "*.conf"} {
		files, err := filepath.Glob("../../deploy/compose/" + kind)
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s in deploy/compose (%v)", kind, err)
		}
		for _, file := range files {
			copyFile(t, file, filepath.Join(dir, filepath.Base(file)))
		}
	}
	printed, err := exec.CommandContext(t.Context(), filepath.Join(binaries, "sage"), "admin", "nats-config", "--keys", filepath.Join(dir, "keys"),
		"--monitor", "0.0.0.0:8222", "--producer", "intake="+mailbox,
		"--cert", "/etc/nats/tls/tls.crt", "--cert-key", "/etc/nats/tls/tls.key").Output()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "nats-tls.conf"), printed)
	if err := os.Mkdir(filepath.Join(dir, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	made := bustest.Secure(t, "", nil) // for this machine's name
	copyFile(t, made.Config.Cert, filepath.Join(dir, "tls", "tls.crt"))
	copyFile(t, made.Config.Key, filepath.Join(dir, "tls", "tls.key"))
	copyFile(t, made.CA, filepath.Join(dir, "tls", "ca.crt"))
	topology, err := compose.Load(t.Context(), dir, "compose.yaml", "compose.tls.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if p, err = topology.Prepare(t.TempDir(), binaries); err != nil {
		t.Fatal(err)
	}
	i := string(bus.Producer("intake"))
	return p, map[string]string{"NATS_IDENTITY": i, "NATS_NKEY_SEED": "file://" + filepath.Join(dir, "keys", i+".nk")}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
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
