// Package heartbeat tells the fleet who is there, and with how much room: every
// worker and every bridge writes a beat of its own into a KV bucket, each second
// and at once when it has no free slot any more.
//
// A beat is what was true a moment ago; nothing that must not go wrong is decided by
// it. Who stops deletes its key; who dies falls silent, and that is the difference.
package heartbeat

import (
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/machine"
)

// Kinds of members.
const (
	KindWorker = "worker"
	KindBridge = "bridge"
)

// Beat is what one member says of itself. Either Worker or Bridge is set.
type Beat struct {
	Kind     string        `json:"kind"`
	Host     string        `json:"host"`              // the name that is in outcomes and records
	Version  string        `json:"version,omitempty"` // of the program
	Started  time.Time     `json:"started"`
	Draining bool          `json:"draining,omitempty"` // takes nothing new
	Machine  machine.Usage `json:"machine"`
	Worker   *Worker       `json:"worker,omitempty"`
	Bridge   *Bridge       `json:"bridge,omitempty"`
}

// Worker is what a worker has to do.
type Worker struct {
	Slots int `json:"slots"`
	Busy  int `json:"busy"`
	// Free is how many slots the queue was asked to fill and did not, for a while:
	// work that comes now is taken at once. What a mailbox's limit keeps empty, or
	// what is just being filled, is not free.
	Free       int `json:"free"`
	FreeMillis int `json:"free_ms,omitempty"` // for how long the first of them has been
	// Slots for work that no Lambda can take.
	LocalSlots int `json:"local_slots"`
	LocalBusy  int `json:"local_busy"`

	Executed uint64    `json:"executed"`           // executions that it ended
	Services []Service `json:"services,omitempty"` // what they took, by configuration
}

// Bridge is what a bridge does and why.
type Bridge struct {
	Slots    int `json:"slots"`
	InFlight int `json:"in_flight"` // executions that it holds

	Delegated uint64 `json:"delegated"` // invocations begun
	Returned  uint64 `json:"returned"`  // put back to be executed by workers
	Residue   uint64 `json:"residue"`   // delegated although a slot was free
	Throttled uint64 `json:"throttled"` // refused for want of capacity

	Why    execution.Why `json:"why"`             // the decision in force
	Since  time.Time     `json:"since,omitzero"`  // when it was made
	Closed string        `json:"closed,omitzero"` // what keeps the bridge from taking anything
}

// Key is the beat's key in the bucket.
func (b Beat) Key() string { return b.Kind + "." + keyPart(b.Host) }

// keyPart makes a host's name safe in a key.
func keyPart(host string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, host)
}

// Version is what the build recorded of this program.
func Version() string { return version() }

// version looks once: each look parses the list of all modules.
var version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Version
})
