package sim

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var mutantSeeds = flag.Int("mutants", 0, "run the simulation on each mutant, with so many seeds at most")

// mutant is one wrong protocol: a change of the code that must not go unnoticed.
type mutant struct {
	name, what string
	shows      []string // the invariants that it breaks
	changes    []change
}

type change struct{ file, before, after string }

const root = "../.."

func readMutants(t *testing.T) (mutants []mutant) {
	t.Helper()
	names, err := filepath.Glob("testdata/mutants/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("no mutants: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(text), "\n-- ")
		what, shows, _ := strings.Cut(parts[0], "\nshows ")
		m := mutant{name: strings.TrimSuffix(filepath.Base(name), ".txt"), what: what, shows: strings.Fields(shows)}
		for i := 1; i+1 < len(parts); i += 2 {
			file, before, _ := strings.Cut(parts[i], "\n")
			becomes, after, _ := strings.Cut(parts[i+1], "\n")
			if becomes != "becomes" {
				t.Fatalf("%s: want \"becomes\", got %q", name, becomes)
			}
			m.changes = append(m.changes, change{file, before, strings.TrimSuffix(after, "\n")})
		}
		mutants = append(mutants, m)
	}
	return mutants
}

// apply writes the changed files elsewhere and returns the overlay that puts them in
// the place of the real ones.
func (m mutant) apply(t *testing.T) (overlay string) {
	t.Helper()
	dir, sources := t.TempDir(), map[string]string{}
	for _, c := range m.changes {
		source, ok := sources[c.file]
		if !ok {
			text, err := os.ReadFile(filepath.Join(root, c.file))
			if err != nil {
				t.Fatal(err)
			}
			source = string(text)
		}
		if n := strings.Count(source, c.before); n != 1 {
			t.Fatalf("mutant %s: %s holds these lines %d times, expected once; they changed, so change the mutant with them:\n%s", m.name, c.file, n, c.before)
		}
		sources[c.file] = strings.Replace(source, c.before, c.after, 1)
	}
	replace := map[string]string{}
	for file, source := range sources {
		changed := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(changed, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		original, err := filepath.Abs(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		replace[original] = changed
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}

// TestMutantsApply: every mutant is still a change of the code as it is, and still
// compiles.
func TestMutantsApply(t *testing.T) {
	for _, m := range readMutants(t) {
		overlay, packages := m.apply(t), map[string]bool{}
		args := []string{"build", "-overlay", overlay}
		for _, c := range m.changes {
			if p := "./" + filepath.Dir(c.file); !packages[p] {
				packages[p] = true
				args = append(args, p)
			}
		}
		command := exec.Command("go", args...)
		command.Dir = root
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("mutant %s does not compile: %v\n%s", m.name, err, out)
		}
	}
}

var violation = regexp.MustCompile(`seed (\d+): [\d.]+ (I\d): (.*)`)

// TestMutantsAreCaught: the simulation finds what each mutant breaks. It compiles
// this package once for each, so it runs only when it is asked to.
func TestMutantsAreCaught(t *testing.T) {
	if *mutantSeeds == 0 {
		return
	}
	caught := 0
	mutants := readMutants(t)
	for _, m := range mutants {
		command := exec.Command("go", "test", "-vet=off", "-overlay", m.apply(t), "-run", "^TestProtocol$", ".",
			"-args", "-until-violated", "-seeds", fmt.Sprint(*mutantSeeds))
		out, err := command.CombinedOutput()
		found := violation.FindAllStringSubmatch(string(out), -1)
		i := slices.IndexFunc(found, func(v []string) bool { return slices.Contains(m.shows, v[2]) })
		if err == nil || i < 0 {
			t.Errorf("mutant %s is not caught: %s expected %v within %d seeds: %v\n%s", m.name, m.what, m.shows, *mutantSeeds, err, out)
			continue
		}
		caught++
		t.Logf("%s  seed %-4s %s  %s\n%s", m.name, found[i][1], found[i][2], m.what, found[i][3])
	}
	t.Logf("%d of %d mutants caught", caught, len(mutants))
}
