package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/tests/process"
)

// TestServerComesLater starts services before their server: they wait, say so, and
// work as soon as they can.
func TestServerComesLater(t *testing.T) {
	security, dir, storageURL := secure(t), t.TempDir(), directory(t)
	first := startServer(t, security, dir, process.AnyPort)
	prepareFleet(t, security, first.URL, storageURL, nil).join(t, first) // so that the streams are there when the server is back
	first.Stop(t)

	port, release := process.ClosedPort(t)
	f := prepareFleet(t, security, fmt.Sprintf("nats://127.0.0.1:%d", port), storageURL, nil)
	worker := start(t, "worker", f.as(bus.IdentityWorker, nil))
	bridge := start(t, "bridge", f.as(bus.IdentityBridge, map[string]string{"LAMBDA_FUNCTION": function, "LAMBDA_ENDPOINT": "http://127.0.0.1:1"}))
	for _, p := range []*process.Process{worker, bridge} {
		wantBackoff(t, p)
	}

	release()
	second := startServer(t, security, dir, port)
	f.join(t, second)
	process.Eventually(t, 10*time.Second, "the bridge watches", func() bool { return len(bridge.Logged("bridge watches the backlog")) > 0 })
	if _, err := f.producer.Submit(t.Context(), submission("pedidos", "late", orders(3, 0))); err != nil {
		t.Fatal(err)
	}
	if o := f.outcome(t, "pedidos", "late"); o.Kind != execution.Succeeded || process.HostOf(o.Host) != worker.Host() {
		t.Errorf("ended %s on %s: %v; want SUCCEEDED on %s", o.Kind, o.Host, o.Fault, worker.Host())
	}
}

// wantBackoff waits until p has said three times that there is no server, each time
// with a longer wait.
func wantBackoff(t *testing.T, p *process.Process) {
	t.Helper()
	const message = "waiting for nats"
	process.Eventually(t, 10*time.Second, p.String()+" says that it waits", func() bool {
		if !p.Running() {
			t.Fatalf("%s ended", p)
		}
		return len(p.Logged(message)) >= 3
	})
	var last float64
	for _, l := range p.Logged(message) {
		if !strings.Contains(l.Error, string(bus.CodeUnreachable)) {
			t.Errorf("%s waits because of %q, want %s", p, l.Error, bus.CodeUnreachable)
		}
		if l.RetryIn <= last {
			t.Errorf("%s waits %v ms after %v ms, want longer each time", p, l.RetryIn, last)
		}
		last = l.RetryIn
	}
}

// TestWrongEnvironment starts services with one value that can't work. They end at
// once, before they look for a server, and say which variable it is.
func TestWrongEnvironment(t *testing.T) {
	port, _ := process.ClosedPort(t)
	right := map[string]map[string]string{
		"worker": {},
		"bridge": {"LAMBDA_FUNCTION": function, "LAMBDA_ENDPOINT": "http://127.0.0.1:1"},
	}
	for _, vars := range right {
		maps.Copy(vars, process.AWSVariables)
		vars["NATS_URL"], vars["STORAGE_URL"] = fmt.Sprintf("nats://127.0.0.1:%d", port), directory(t)
	}
	const unset = "\x00"
	tests := map[string]struct {
		service, variable, value string
		accepted                 []string // also said
	}{
		"worker no number":      {service: "worker", variable: "SLOTS", value: "abc"},
		"worker no duration":    {service: "worker", variable: "DRAIN", value: "25"},
		"worker unknown choice": {service: "worker", variable: "NATS_DURABILITY", value: "maybe", accepted: []string{"fast", "fsync", "replicated"}},
		"worker no store":       {service: "worker", variable: "STORAGE_URL", value: unset},
		"worker empty store":    {service: "worker", variable: "STORAGE_URL", value: ""},
		"worker strange store":  {service: "worker", variable: "STORAGE_URL", value: "ftp://host/x", accepted: []string{"file:///", "s3://"}},
		"bridge no number":      {service: "bridge", variable: "BRIDGE_SLOTS", value: "many"},
		"bridge unknown choice": {service: "bridge", variable: "NATS_DURABILITY", value: "maybe", accepted: []string{"fast", "fsync", "replicated"}},
		"bridge no store":       {service: "bridge", variable: "STORAGE_URL", value: unset},
		"bridge no function":    {service: "bridge", variable: "LAMBDA_FUNCTION", value: unset},
		"bridge other machine":  {service: "bridge", variable: "LAMBDA_ARCHITECTURE", value: "mips", accepted: []string{"arm64", "x86_64"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vars := maps.Clone(right[tt.service])
			if vars[tt.variable] = tt.value; tt.value == unset {
				delete(vars, tt.variable)
			}
			p := start(t, tt.service, vars)
			if code := p.Exit(t, 5*time.Second); code <= 0 {
				t.Errorf("ended with %d, want an error", code)
			}
			said := p.Tail(16 << 10)
			for _, want := range append([]string{tt.variable}, tt.accepted...) {
				if !strings.Contains(said, want) {
					t.Errorf("it says nothing of %q:\n%s", want, said)
				}
			}
		})
	}
}
