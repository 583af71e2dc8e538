//go:build failpoints && unix

package failpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// What a process is told. [Variable] arms points from its start, as in
// "commit.before,ack.before:2=stop,work.before:every=delay:1s": the second time that
// it is hit, or every time, if nothing is said the first time, a process is killed, if
// nothing else is said. In [Directory], a file named for a point and containing an action arms it at any
// time; whoever takes the file away, one of all the processes, acts on it.
const (
	Variable  = "SAGE_FAILPOINT"
	Directory = "SAGE_FAILPOINT_DIR"
)

// ErrHit is what a point fails with.
var ErrHit = errors.New("failpoint")

// Hit does what p is armed with. A point that can't fail ignores "error".
func Hit(p Point) { _ = Err(p) }

// Err is [Hit] for a point that can fail.
func Err(p Point) error {
	if a, ok := armed().take(p); ok {
		return a.do(p)
	}
	return nil
}

// armed is what the environment says; nonsense there ends the process.
var armed = sync.OnceValue(func() *points {
	ps, err := parse(os.Getenv(Variable), os.Getenv(Directory))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", Variable, err)
		os.Exit(2)
	}
	return ps
})

// points are the armed points.
type points struct {
	mu     sync.Mutex
	static map[Point]*arm
	dir    string
}

// arm is an action that waits for the nth hit, or one for each hit.
type arm struct {
	nth   int
	every bool
	action
}

func parse(list, dir string) (*points, error) {
	ps := &points{static: map[Point]*arm{}, dir: dir}
	for entry := range strings.SplitSeq(list, ",") {
		if entry == "" {
			continue
		}
		what, how, _ := strings.Cut(entry, "=")
		name, nth, counted := strings.Cut(what, ":")
		a := &arm{nth: 1, every: nth == "every"}
		if _, err := fmt.Sscan(nth, &a.nth); counted && !a.every && (err != nil || a.nth < 1) {
			return nil, fmt.Errorf("%q: want point[:nth][=action], or every in the place of nth", entry)
		}
		var err error
		if a.action, err = parseAction(how); err != nil {
			return nil, fmt.Errorf("%q: %w", entry, err)
		}
		ps.static[Point(name)] = a
	}
	return ps, nil
}

// take returns what to do at p, as often as it is armed for.
func (ps *points) take(p Point) (action, bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if a := ps.static[p]; a != nil {
		a.nth--
		if a.every || a.nth == 0 {
			return a.action, true
		}
	}
	if ps.dir == "" {
		return action{}, false
	}
	file := filepath.Join(ps.dir, string(p))
	how, err := os.ReadFile(file)
	if err != nil || os.Remove(file) != nil { // another was faster
		return action{}, false
	}
	a, err := parseAction(strings.TrimSpace(string(how)))
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
		os.Exit(2)
	}
	return a, true
}
