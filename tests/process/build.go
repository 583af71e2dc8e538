package process

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.." // of the module, from the folder of any package of tests

// Build builds programs into dir, with build tags if there are any.
func Build(dir, tags string, programs ...string) error {
	return BuildFrom(root, dir, tags, programs...)
}

// BuildFrom is Build of the sources in a folder.
func BuildFrom(sources, dir, tags string, programs ...string) error {
	build := exec.Command("go", append([]string{"build", "-tags", tags, "-o", dir + string(filepath.Separator)}, programs...)...)
	build.Dir = sources
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the fleet: %w\n%s", err, out)
	}
	return nil
}

// DependOnSources looks at every source file that the fleet's programs are made of.
// The go command reuses a test's result while what the test looked at stays the
// same, and it can't know what TestMain builds.
func DependOnSources(t testing.TB) {
	t.Helper()
	for _, folder := range []string{"producer", "worker", "bridge", "shared"} {
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

// AWSVariables keep the SDK's default chain from asking this machine for more.
var AWSVariables = map[string]string{
	"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
	"AWS_EC2_METADATA_DISABLED": "true",
	"AWS_CONFIG_FILE":           os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
}

// IsolateAWS gives this process the same settings as the ones it starts.
func IsolateAWS() {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name)
		}
	}
	for name, value := range AWSVariables {
		_ = os.Setenv(name, value)
	}
}
