package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/sagefleet/sagefleet/shared/bus"
)

func TestNATSConfigMakesKeysOnce(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	args := []string{"admin", "nats-config", "--keys", keys, "--producer", "ventas=ventas,devoluciones", "--producer", "compras=compras"}
	first := sage(t.Context(), args...)
	if first.code != exitOK {
		t.Fatalf("%+v", first)
	}
	if again := sage(t.Context(), args...); again.stdout != first.stdout {
		t.Error("the second configuration is another")
	}
	seeds, err := os.ReadDir(keys)
	if err != nil || len(seeds) != len(bus.Identities)+2 {
		t.Fatalf("%d seeds, %v", len(seeds), err)
	}
	for _, entry := range seeds {
		info, err := entry.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", entry.Name(), info.Mode(), err)
		}
		seed, err := os.ReadFile(filepath.Join(keys, entry.Name()))
		if err != nil || strings.Contains(first.stdout, strings.TrimSpace(string(seed))) {
			t.Errorf("the seed in %s was printed; %v", entry.Name(), err)
		}
	}
	file := filepath.Join(t.TempDir(), "nats.conf")
	before, rest, _ := strings.Cut(first.stdout, "tls {")
	_, after, _ := strings.Cut(rest, "}") // the server would look for the certificates
	if err := os.WriteFile(file, []byte(before+after), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(opts.Nkeys) != len(seeds) || !opts.SyncAlways {
		t.Errorf("%d users, sync always %v; want %d, true", len(opts.Nkeys), opts.SyncAlways, len(seeds))
	}
}

func TestNATSConfigRefuses(t *testing.T) {
	t.Parallel()
	const seed = "SUAPM4E2TIYCJ5LXOZGSJBSVKFZIOQ5WVSVKKXRZ3AKSRMXCQ4"
	keys := filepath.Join(t.TempDir(), "keys")
	for name, args := range map[string][]string{
		"no keys":         {},
		"a seed":          {"--keys", keys, "--key", "gc=" + seed},
		"no identity":     {"--keys", keys, "--key", "root=x"},
		"wildcard":        {"--keys", keys, "--producer", "ventas=>"},
		"no host":         {"--keys", keys, "--route", "nats-0"},
		"subject as name": {"--keys", keys, "--producer", "a.b=ventas"},
	} {
		r := sage(t.Context(), append([]string{"admin", "nats-config"}, args...)...)
		if r.code != exitFailed || r.stdout != "" || strings.Contains(r.stderr, seed) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if seeds, err := os.ReadDir(keys); err == nil && len(seeds) > 0 {
		t.Errorf("%d seeds were made for what was refused", len(seeds))
	}
}
