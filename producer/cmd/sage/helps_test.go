package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// word is one of a command line, which may be quoted.
var word = regexp.MustCompile(`"[^"]*"|\S+`)

// Every command's help has an example that is right, and says what it exits with.
func TestHelpTeaches(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"accepted.txt", "past.csv"} { // that examples read
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(examples(parserOf(t).Model.Help)); n != 3 {
		t.Errorf("%d examples to begin with", n)
	}
	leaves := parserOf(t).Model.Leaves(true)
	if len(leaves) < 30 {
		t.Fatalf("%d commands", len(leaves))
	}
	for _, leaf := range leaves {
		path := strings.TrimSpace(strings.TrimPrefix(leaf.FullPath(), "sage "))
		name := strings.Fields(path)[0]
		if name == "completion" {
			continue // its examples are of shells
		}
		if !strings.Contains(leaf.Detail, "Exit codes:") {
			t.Errorf("sage %s: no exit codes", path)
		}
		own := 0
		for _, example := range examples(leaf.Detail) {
			context, err := parserOf(t).Parse(example)
			if err != nil {
				t.Errorf("sage %s: %q: %v", path, example, err)
				continue
			}
			if context.Selected().FullPath() == leaf.FullPath() {
				own++
			}
		}
		if own == 0 {
			t.Errorf("sage %s: no example", path)
		}
	}
}

func parserOf(t *testing.T) *kong.Kong {
	t.Helper()
	k, err := newParser(&commands{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// examples are the arguments of the command lines in a help.
func examples(help string) (all [][]string) {
	for line := range strings.Lines(help) {
		line, indented := strings.CutPrefix(line, "\t")
		line, _, _ = strings.Cut(line, ">")
		var args []string
		for _, one := range word.FindAllString(strings.TrimSuffix(strings.TrimSpace(line), "&"), -1) {
			args = append(args, strings.Trim(one, `"`))
		}
		for len(args) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(args[0]) {
			args = args[1:]
		}
		if indented && len(args) > 1 && args[0] == "sage" {
			all = append(all, args[1:])
		}
	}
	return all
}
