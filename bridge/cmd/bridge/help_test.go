package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every command's help has an example that is right, and says what it exits with.
func TestHelpTeaches(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"ventas.yaml", "ventas.csv"} { // that examples read
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	model := newParser(&cli{}).Model
	if len(examples(model.Help)) == 0 {
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
		for _, example := range append(examples(leaf.Detail), examples(model.Help)...) {
			context, err := newParser(&cli{}).Parse(example)
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

// examples are the arguments of the command lines in a help.
func examples(help string) (all [][]string) {
	for line := range strings.Lines(help) {
		line, indented := strings.CutPrefix(line, "\t")
		args := strings.Fields(line)
		for len(args) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(args[0]) {
			args = args[1:]
		}
		if indented && len(args) > 0 && args[0] == "bridge" {
			all = append(all, args[1:])
		}
	}
	return all
}
