package sim

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var mutantSeeds = flag.Int("mutants", 0, "look for the seeds that catch the mutants among so many, and write the table")

// mutant is one wrong protocol: a change of the code that must not go unnoticed.
type mutant struct {
	name, what string
	shows      []string // the invariants that it breaks
	changes    []change
}

type change struct{ file, before, after string }

const (
	root  = "../.."
	table = "testdata/caught.txt"
)

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

// mutated is the sources that m changes, changed.
func (m mutant) mutated(t *testing.T) map[string]string {
	sources := map[string]string{}
	for _, c := range m.changes {
		source, ok := sources[c.file]
		if !ok {
			source = original(t, c.file)
		}
		if n := strings.Count(source, c.before); n != 1 {
			t.Fatalf("mutant %s: %s holds these lines %d times, expected once; they changed, so change the mutant with them:\n%s", m.name, c.file, n, c.before)
		}
		sources[c.file] = strings.Replace(source, c.before, c.after, 1)
	}
	return sources
}

func original(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var violation = regexp.MustCompile(`seed (\d+): [\d.]+ (\w+): (.*)`)

// catches runs the simulation on m and returns the seed that shows what is wrong, and how.
func (m mutant) catches(t *testing.T, binary string, first uint64, seeds int) (seed uint64, how string) {
	t.Helper()
	command := exec.Command(binary, "-test.run", "^TestProtocol$", "-until-violated", "-first", strconv.FormatUint(first, 10), "-seeds", strconv.Itoa(seeds))
	command.Env = append(os.Environ(), mutantVariable+"="+m.name)
	out, err := command.CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		t.Fatal(err)
	}
	found := violation.FindAllStringSubmatch(string(out), -1)
	i := slices.IndexFunc(found, func(v []string) bool { return slices.Contains(m.shows, v[2]) })
	if err == nil || i < 0 {
		return 0, string(out)
	}
	seed, _ = strconv.ParseUint(found[i][1], 10, 64)
	return seed, found[i][2] + "  " + found[i][3]
}

// TestMutantsAreCaught: the simulation finds what each mutant breaks, by the seeds of the
// table. One program has all mutants, so that it is compiled once.
func TestMutantsAreCaught(t *testing.T) {
	mutants := readMutants(t)
	binary := build(t, mutants)
	if seed, how := (mutant{name: "none", shows: []string{""}}).catches(t, binary, 1, 1); seed != 0 {
		t.Errorf("without a mutant: %s", how)
	}
	known := map[string]uint64{}
	if text, err := os.ReadFile(table); err == nil {
		for line := range strings.Lines(string(text)) {
			var name string
			var seed uint64
			if _, err := fmt.Sscan(line, &name, &seed); err == nil {
				known[name] = seed
			}
		}
	}
	var rows strings.Builder
	caught := 0
	for _, m := range mutants {
		seed, how := uint64(0), "the table has no seed for it"
		if known[m.name] != 0 {
			seed, how = m.catches(t, binary, known[m.name], 1)
		}
		if seed == 0 && *mutantSeeds > 0 {
			seed, how = m.catches(t, binary, 1, *mutantSeeds)
		}
		if seed == 0 {
			t.Errorf("mutant %s is not caught any more by seed %d, run `task mutants`: %s expected %v\n%.2000s", m.name, known[m.name], m.what, m.shows, how)
			continue
		}
		caught++
		fmt.Fprintf(&rows, "%s %5d  %-5s  %s\n", m.name, seed, strings.Fields(how)[0], m.what)
		t.Logf("%s  seed %-5d  %s\n%s", m.name, seed, m.what, how)
	}
	t.Logf("%d of %d mutants caught", caught, len(mutants))
	if *mutantSeeds > 0 {
		if err := os.WriteFile(table, []byte(rows.String()), 0o600); err != nil {
			t.Error(err)
		}
	}
}
