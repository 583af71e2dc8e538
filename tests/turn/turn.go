// Package turn lets packages whose tests measure time wait for those that keep the
// machine busy: go test runs packages beside one another.
package turn

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// patience is how long a package waits for the machine. Then it begins all the same.
const patience = 5 * time.Minute

// Busy waits until no package is alone, and lets none be before done is called.
func Busy() (done func()) { return enter(machine, shared) }

// Alone waits until no busy package runs, and keeps others waiting until done is
// called.
func Alone() (done func()) { return enter(machine, exclusive) }

type mode bool

const (
	shared    mode = false
	exclusive mode = true
)

// machine names the files that stand for it, for all tests of this user.
var machine = filepath.Join(os.TempDir(), fmt.Sprintf("sagefleet-tests-%d", os.Getuid()))

// enter goes through a door that whoever wants to be alone holds shut while it
// waits for those inside.
func enter(name string, m mode) (leave func()) {
	defer take(name+".door", m)()
	return take(name+".lock", m)
}

// take waits for a lock, but no longer than patience.
func take(name string, m mode) (release func()) {
	for began := time.Now(); time.Since(began) < patience; time.Sleep(20 * time.Millisecond) {
		if release, ok := try(name, m); ok {
			return release
		}
	}
	return func() {}
}
