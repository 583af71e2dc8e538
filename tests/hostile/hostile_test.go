// Package hostile runs the worker's real binary on files made to break it, one
// process each, and measures what each did to this machine.
package hostile

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/tests/turn"
)

const (
	root = "../.." // of the module

	maxTime   = 5 * time.Second
	maxMemory = 256 << 20 // bytes resident, at the peak

	minClasses   = 25
	minSpecimens = 300

	width = 2 // processes at once

	// maxOwnMemory keeps this process from counting in what it measures; see peak.
	maxOwnMemory = 64 << 20
)

// worker is the binary, built by TestMain.
var worker string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer turn.Busy()()
	debug.SetMemoryLimit(maxOwnMemory)
	dir, err := os.MkdirTemp("", "sage-hostile-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	worker = filepath.Join(dir, "worker")
	build := exec.Command("go", "build", "-o", worker, "./worker/cmd/worker")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the worker: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// dependOnSources looks at the sources of the binary, so that the go command
// doesn't reuse the result of this test when one of them has changed.
func dependOnSources(t *testing.T) {
	t.Helper()
	for _, folder := range []string{"worker", "shared"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".go" {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestCorpusIsLarge sees to it that nobody thins the corpus out, and that every
// specimen can be run by its name.
func TestCorpusIsLarge(t *testing.T) {
	t.Parallel()
	classes, names := 0, map[string]bool{}
	specimens := 0
	for _, group := range corpus {
		for _, c := range group {
			classes++
			for _, s := range c.specimens() {
				specimens++
				if name := c.name + "/" + s.name; names[name] {
					t.Errorf("two specimens are called %s", name)
				} else {
					names[name] = true
				}
			}
		}
	}
	if classes < minClasses || specimens < minSpecimens {
		t.Errorf("%d specimens of %d classes, want %d of %d", specimens, classes, minSpecimens, minClasses)
	}
}

// TestCorpus puts every specimen through `worker run`.
func TestCorpus(t *testing.T) {
	dependOnSources(t)
	var all records
	slots := make(chan struct{}, width)
	for _, group := range corpus {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				for _, s := range c.specimens() {
					t.Run(s.name, func(t *testing.T) {
						t.Parallel()
						slots <- struct{}{}
						defer func() { <-slots }()
						all.add(c.name+"/"+s.name, examine(t, s))
					})
				}
			})
		}
	}
	t.Log(&all)
}

// records are what the runs took.
type records struct {
	mu      sync.Mutex
	count   int
	slowest record
	largest record
}

type record struct {
	name string
	usage
}

func (r *records) add(name string, u usage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if u.took > r.slowest.took {
		r.slowest = record{name, u}
	}
	if u.memory > r.largest.memory {
		r.largest = record{name, u}
	}
}

func (r *records) String() string {
	return fmt.Sprintf("%d specimens; slowest %s, %v; largest %s, %.1f MiB", r.count,
		r.slowest.name, r.slowest.took.Round(time.Millisecond), r.largest.name, float64(r.largest.memory)/(1<<20))
}
