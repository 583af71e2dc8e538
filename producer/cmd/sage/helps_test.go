package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
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

// Every command tells programs what it tells people, but for those that have a reason.
func TestEveryCommandHasJSON(t *testing.T) {
	t.Parallel()
	exempt := map[string]string{
		"serve": "a service: it prints nothing, and logs JSON", "watch": "a service: it prints nothing, and logs JSON", "notify": "a service: it prints nothing, and logs JSON",
		"dead export": "prints JSON lines as it is, or writes files", "completion": "prints a script for a shell",
	}
	for _, leaf := range parserOf(t).Model.Leaves(true) {
		path := commandPath(leaf)
		has := slices.ContainsFunc(leaf.Flags, func(f *kong.Flag) bool { return f.Name == "json" })
		switch reason := exempt[path]; {
		case has && reason != "":
			t.Errorf("sage %s has --json, and needs no exemption", path)
		case !has && reason == "":
			t.Errorf("sage %s has no --json", path)
		}
		delete(exempt, path)
	}
	for path := range exempt {
		t.Errorf("there is no sage %s", path)
	}
}

// commandPath is a command without its arguments, such as config put.
func commandPath(leaf *kong.Node) string {
	var names []string
	for n := leaf; n != nil && n.Type == kong.CommandNode; n = n.Parent {
		names = append([]string{n.Name}, names...)
	}
	return strings.Join(names, " ")
}

// What has no fleet of its own in a test prints one line of JSON, too.
func TestJSONOfThisProgram(t *testing.T) {
	t.Parallel()
	var b built
	if r := sage(t.Context(), "version", "--json"); r.code != exitOK || json.Unmarshal([]byte(r.stdout), &b) != nil || b.Go == "" || b.Platform == "" {
		t.Errorf("version: %+v", r)
	}
	var n natsConfig
	r := sage(t.Context(), "admin", "nats-config", "--keys", t.TempDir(), "--producer", "ventas=ventas", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &n); err != nil || r.code != exitOK || !strings.Contains(n.Configuration, "accounts {") || len(n.Users) < 8 {
		t.Errorf("nats-config: %v, %+v", err, r)
	}
	if last := n.Users[len(n.Users)-1]; last.Identity != "producer-ventas" || !strings.HasPrefix(last.PublicKey, "U") || len(last.Mailboxes) != 1 {
		t.Errorf("its last user is %+v", last)
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
