// Package e2e runs the fleet as it is deployed: as operating-system processes that
// share nothing but a NATS server and a store, and that can be killed.
package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/tests/turn"
)

// commands are what the tests start, by the name of their binary.
var commands = []string{
	"./worker/cmd/worker",
	"./worker/cmd/lambda",
	"./bridge/cmd/bridge",
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

// start starts one of the commands.
func start(t testing.TB, name string, vars map[string]string) *process.Process {
	t.Helper()
	return process.Start(t, filepath.Join(binaries, name), vars)
}
