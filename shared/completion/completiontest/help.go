// Package completiontest checks what programs say of their commands.
package completiontest

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// HelpTeaches requires that the help of every command of program has an example that
// its parser takes, and says what it exits with. Examples may read ventas.yaml and
// ventas.csv.
func HelpTeaches(t *testing.T, program string, parser func() *kong.Kong) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"ventas.yaml", "ventas.csv"} { // that examples read
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	model := parser().Model
	if len(examples(program, model.Help)) == 0 {
		t.Error("no example to begin with")
	}
	taught := 0
	for _, leaf := range model.Leaves(true) {
		if leaf.Name == "completion" {
			continue // its examples are of shells
		}
		if !strings.Contains(leaf.Detail, "Exit codes:") {
			t.Errorf("%s: no exit codes", leaf.FullPath())
		}
		own := 0
		for _, example := range append(examples(program, leaf.Detail), examples(program, model.Help)...) {
			context, err := parser().Parse(example)
			if err != nil {
				t.Errorf("%s: %q: %v", leaf.FullPath(), example, err)
			} else if context.Selected().Name == leaf.Name {
				own++
			}
		}
		if own == 0 {
			t.Errorf("%s: no example", leaf.FullPath())
		}
		taught++
	}
	if taught == 0 {
		t.Error("no commands")
	}
}

// examples are the arguments of the command lines of program in a help.
func examples(program, help string) (all [][]string) {
	for line := range strings.Lines(help) {
		line, indented := strings.CutPrefix(line, "\t")
		args := strings.Fields(line)
		for len(args) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(args[0]) {
			args = args[1:]
		}
		if indented && len(args) > 0 && args[0] == program {
			all = append(all, args[1:])
		}
	}
	return all
}
