// Package runbooks executes what deploy/runbooks tells operators to type, on the
// services of deploy/compose as processes of this machine.
//
// A block that is fenced as console is executed, command after command, in a shell of
// its runbook; what the commands write must look as the runbook shows it: times,
// figures, ids and hosts may differ, a line … stands for any lines, and … at the end of
// a line for its rest. A command whose line ends with "# exits N" must do that; the others exit
// with 0. What stands in a comment as <!-- $ command --> is executed too, to bring about
// what the runbook is for. Blocks fenced as "console aws" or "console kubernetes" need what isn't here;
// what they name is looked for instead, in tests of deploy/k8s and here.
package runbooks

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/deploy/compose"
	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/tests/turn"
)

var every = flag.Bool("all", false, "execute all runbooks, and not only a few")

// few are executed in any case.
var few = []string{"install", "dead-letters", "scale", "es/guia"}

var update = flag.Bool("update", false, "write what the commands say into the runbooks, where it differs in shape")

const folder = "../../deploy/runbooks"

// binaries is where TestMain puts the fleet's programs.
var binaries string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer turn.Busy()()
	process.IsolateAWS()
	dir, err := os.MkdirTemp("", "sage-runbooks-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binaries = dir
	if err := process.Build(dir, "", compose.Programs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// books are the runbooks' files.
func books(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "es/*.md"} {
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, files...)
	}
	return all
}

// TestCommands executes every runbook.
func TestCommands(t *testing.T) {
	process.DependOnSources(t)
	ran, elsewhere := 0, map[string]int{}
	for _, file := range books(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, s := range b.steps {
			if s.where != "" {
				elsewhere[s.where]++
			} else {
				ran++
			}
		}
		if !slices.ContainsFunc(b.steps, func(s step) bool { return s.where == "" }) {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(file, folder+"/"), ".md")
		if !*every && !slices.Contains(few, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b.execute(t, newShell(t))
			if t.Failed() || !*update {
				return
			}
			if err := os.WriteFile(file, []byte(strings.Join(b.lines, "")), 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Logf("%d commands are there to be executed; not here, as there is no such thing: %v", ran, elsewhere)
	if ran < 40 {
		t.Errorf("only %d commands were found", ran)
	}
}

// execute types the commands and compares.
func (b *book) execute(t *testing.T, sh *shell) {
	grown := 0 // lines that an update added so far
	for _, s := range b.steps {
		if s.where != "" {
			continue
		}
		said, code := sh.enter(t, s.command)
		said = sh.public(said)
		if code != s.exits {
			t.Fatalf("line %d: %s exits with %d, want %d:\n%s", s.line, s.command, code, s.exits, said)
		}
		if s.hidden || matches(s.says, said) {
			continue
		}
		if !*update {
			t.Errorf("line %d: %s says\n%s\nand the runbook shows\n%s", s.line, s.command, said, strings.Join(s.says, "\n"))
			continue
		}
		fresh := strings.SplitAfter(strings.TrimRight(said, "\n")+"\n", "\n")
		fresh = slices.DeleteFunc(fresh, func(line string) bool { return line == "" })
		at := s.after + grown
		b.lines = slices.Replace(b.lines, at, at+len(s.says), fresh...)
		grown += len(fresh) - len(s.says)
	}
}

// TestAlertsHaveARunbook looks for the runbook of each alert, and for the alert's name
// in it.
func TestAlertsHaveARunbook(t *testing.T) {
	rules, err := os.ReadFile("../../deploy/grafana/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(string(rules), -1)
	files := regexp.MustCompile(`runbook: (\S+)`).FindAllStringSubmatch(string(rules), -1)
	if len(names) == 0 || len(names) != len(files) {
		t.Fatalf("%d alerts and %d runbooks", len(names), len(files))
	}
	for i, name := range names {
		text, err := os.ReadFile(filepath.Join("../..", files[i][1]))
		if err != nil {
			t.Errorf("%s: %v", name[1], err)
		} else if !strings.Contains(string(text), name[1]) {
			t.Errorf("%s doesn't speak of %s", files[i][1], name[1])
		}
	}
}

// TestCodesAndVariables looks in the sources for the codes and variables that runbooks
// speak of.
func TestCodesAndVariables(t *testing.T) {
	var sources strings.Builder
	for _, part := range []string{"producer", "worker", "bridge", "shared"} {
		err := filepath.WalkDir(filepath.Join("../..", part), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			sources.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all := sources.String()
	for _, file := range books(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile("`([A-Z][A-Z0-9]+_[A-Z0-9_]*)(…|=[^`]*)?`").FindAllStringSubmatch(string(text), -1) {
			if name[1] != "COMPOSE_FILE" && !strings.Contains(all, `"`+name[1]) {
				t.Errorf("%s: nothing is called %s", file, name[0])
			}
		}
	}
}

// TestNamesInTheCloud looks for what commands for AWS name where Terraform makes it.
func TestNamesInTheCloud(t *testing.T) {
	const production = "deploy/terraform/examples/production"
	variables := read(t, "../../"+production+"/variables.tf")
	module := read(t, "../../deploy/terraform/modules/function/main.tf")
	name := regexp.MustCompile(`variable "name" \{[^}]*default\s+= "([^"]+)"`).FindStringSubmatch(variables)
	function := regexp.MustCompile(`function = "\$\{var\.name\}([^"]*)"`).FindStringSubmatch(module)
	if name == nil || function == nil {
		t.Fatalf("no name in %s, or no function's in its module", production)
	}
	want := map[string]string{
		`--function-name (\S+)`:           name[1] + function[1],
		`/aws/lambda/(\S+)`:               name[1] + function[1],
		`terraform -chdir=(\S+)`:          production,
		`arn:aws:lambda:.*function:(\S+)`: name[1] + function[1],
	}
	found := 0
	for _, file := range books(t) {
		b, err := parse(read(t, file))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, s := range b.steps {
			if s.where != "aws" {
				continue
			}
			for pattern, name := range want {
				for _, named := range regexp.MustCompile(pattern).FindAllStringSubmatch(s.command, -1) {
					if found++; named[1] != name {
						t.Errorf("%s: line %d: %s, and Terraform makes %s", file, s.line, named[0], name)
					}
				}
			}
		}
	}
	if found < 4 {
		t.Errorf("only %d names were found", found)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNamesOfTheCluster looks for what commands for a cluster name in the manifests.
func TestNamesOfTheCluster(t *testing.T) {
	var manifests strings.Builder
	for _, pattern := range []string{"base/*.yaml", "overlays/*/*.yaml", "components/*/*.yaml"} {
		files, err := filepath.Glob(filepath.Join("../../deploy/k8s", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			manifests.Write(text)
		}
	}
	named := regexp.MustCompile(`\b(deployment|statefulset|job|cronjob|pod|pdb)/([a-z0-9-]+)`)
	found := 0
	for _, file := range books(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := parse(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range b.steps {
			if s.where != "kubernetes" {
				continue
			}
			for _, name := range named.FindAllStringSubmatch(s.command, -1) {
				found++
				what := regexp.MustCompile(`-[0-9]+$`).ReplaceAllString(name[2], "") // a pod of a set
				if !strings.Contains(manifests.String(), "\n  name: "+what+"\n") {
					t.Errorf("%s:%d: there is no %s", file, s.line, name[0])
				}
			}
		}
	}
	if found == 0 {
		t.Error("no command names anything in the cluster")
	}
}
