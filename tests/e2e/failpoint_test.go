package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/tests/process"
)

// Points that the compiler leaves out leave no name behind.
func TestProgramsHoldNoFailpoints(t *testing.T) {
	process.DependOnSources(t)
	for _, name := range []string{"worker", "bridge", "lambda"} {
		program, err := os.ReadFile(filepath.Join(binaries, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, trace := range []string{"SAGE_FAILPOINT", string(failpoint.Committing), "shared/failpoint.Hit"} {
			if bytes.Contains(program, []byte(trace)) {
				t.Errorf("%s contains %q", name, trace)
			}
		}
	}
}
