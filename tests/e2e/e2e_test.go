// Package e2e runs the fleet as it is deployed: as operating-system processes that
// share nothing but a NATS server and a store, and that can be killed.
package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.." // of the module

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
	isolateAWS()
	dir, err := os.MkdirTemp("", "sage-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	build := exec.Command("go", append([]string{"build", "-o", dir + string(filepath.Separator)}, commands...)...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the fleet: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// awsVariables keep the SDK's default chain from asking this machine for more.
var awsVariables = map[string]string{
	"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
	"AWS_EC2_METADATA_DISABLED": "true",
	"AWS_CONFIG_FILE":           os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
}

// isolateAWS gives this process the same settings as the ones it starts.
func isolateAWS() {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			os.Unsetenv(name)
		}
	}
	for name, value := range awsVariables {
		os.Setenv(name, value)
	}
}

// dependOnSources looks at every source file that the binaries are made of. The go
// command reuses a test's result while what the test looked at stays the same, and
// it can't know what TestMain builds.
func dependOnSources(t testing.TB) {
	t.Helper()
	for _, folder := range []string{"worker", "bridge", "shared"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
