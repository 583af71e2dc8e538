package e2e

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/deploy/programs"
	"github.com/sagefleet/sagefleet/tests/process"
)

// TestDeployedCommandsAreUnderstood asks sage for its help with each command that
// deploy/k8s and deploy/compose give it: it answers only when it understands the rest.
func TestDeployedCommandsAreUnderstood(t *testing.T) {
	process.DependOnSources(t)
	sage := filepath.Join(binaries, "sage")
	for _, kind := range []string{"k8s", "compose"} {
		deployed, err := programs.Commands("../../deploy/"+kind, "sage")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, d := range deployed {
			command := strings.Join(d.Args, " ")
			if said, err := exec.CommandContext(t.Context(), sage, append([]string{"--help"}, d.Args...)...).CombinedOutput(); err != nil {
				t.Errorf("%s/%s: sage %s: %v\n%s", kind, d.File, command, err, said)
			}
			words := slices.IndexFunc(append(d.Args, "-"), func(arg string) bool { return strings.HasPrefix(arg, "-") })
			names = append(names, strings.Join(d.Args[:words], " "))
		}
		slices.Sort(names)
		if want := []string{"admin gc", "admin provision", "notify", "serve"}; !slices.Equal(names, want) {
			t.Errorf("deploy/%s has sage do %q, want %q", kind, names, want)
		}
	}
	if err := exec.CommandContext(t.Context(), sage, "--help", "admin", "gc", "--jsn").Run(); err == nil {
		t.Error("sage helps with a flag that it doesn't know: this test shows nothing")
	}
}
