// Package e2e runs the fleet as it is deployed: as operating-system processes that
// share nothing but a NATS server and a store, and that can be killed.
package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/tests/turn"
)

// commands are what the tests start, by the name of their binary.
var commands = []string{
	"./worker/cmd/worker",
	"./worker/cmd/lambda",
	"./bridge/cmd/bridge",
	"./producer/cmd/sage",
	"./deploy/cmd/lambdalocal",
	"github.com/nats-io/nats-server/v2",
}

// binaries is where TestMain puts them.
var binaries string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer turn.Busy()()
	process.IsolateAWS()
	dir, err := os.MkdirTemp("", "sage-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	if err := process.Build(dir, "", commands...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// start starts one of the commands. Nothing that it tries may be denied to it.
func start(t testing.TB, name string, vars map[string]string, args ...string) *process.Process {
	t.Helper()
	p := process.Start(t, filepath.Join(binaries, name), vars, args...)
	t.Cleanup(func() {
		if said := p.Tail(1 << 20); strings.Contains(said, string(bus.CodeDenied)) {
			t.Errorf("%s was denied something:\n%s", p, said)
		}
	})
	return p
}
