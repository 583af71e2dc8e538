package sim

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// The settings of every simulated fleet.
const (
	ackWait    = 5 * time.Second
	faultsEnd  = 25 * time.Second // afterwards nothing goes wrong any more
	quietLimit = 10 * time.Minute // by then everything must have ended
)

// world is one simulated fleet: its servers, its processes, and what happened.
type world struct {
	plan    plan
	begin   time.Time
	scratch string // where executors put scratch files

	mu         sync.Mutex // of everything below; never held while anything waits
	streams    map[string]*stream
	objects    map[string][]byte
	modified   map[string]time.Time // objects
	nth        map[string]int
	outages    []outage
	late       time.Duration // by then what was begun while things went wrong has arrived
	trace      []step
	keepTrace  bool
	digest     uint64
	violations []string
	seen       map[string]int // how often what happened
	ledger     ledger
	closing    bool

	people  sync.WaitGroup // who submit, cancel and redrive
	running sync.WaitGroup // every process, the dead ones that still wind down included
}

// step is one thing that a server or a process did.
type step struct {
	at                    time.Duration
	who, what, which, how string
}

func (s step) String() string {
	return fmt.Sprintf("%12.6f  %-12s %-10s %s  %s", s.at.Seconds(), s.who, s.what, s.which, s.how)
}

// outage is a time during which one server does not answer anybody.
type outage struct {
	server   string // nats or store
	from, to time.Duration
}

func newWorld(seed uint64, fleet bus.Config, scratch string) *world {
	w := &world{plan: newPlan(seed), begin: time.Now(), scratch: scratch, streams: map[string]*stream{},
		objects: map[string][]byte{}, modified: map[string]time.Time{}, nth: map[string]int{}, seen: map[string]int{}, ledger: newLedger()}
	topology := fleet.Topology()
	for _, cfg := range topology.Streams {
		w.addStream(cfg, topology.Consumers[cfg.Name])
	}
	for _, server := range []string{"nats", "store"} {
		if n := w.plan.number("outage", server); n%3 == 0 {
			from := between(scramble(n), time.Second, faultsEnd-8*time.Second)
			w.outages = append(w.outages, outage{server, from, from + between(scramble(n+1), 200*time.Millisecond, 7*time.Second)})
		}
	}
	return w
}

func (w *world) now() time.Duration { return time.Since(w.begin) }

// quiet reports whether nothing may go wrong any more.
func (w *world) quiet() bool { return w.now() >= faultsEnd }

// lasts notes that something which begins now may have an effect for d.
func (w *world) lasts(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.late = max(w.late, w.now()+d)
}

// down reports whether server is out. The caller holds mu.
func (w *world) down(server string) bool {
	now := w.now()
	for _, o := range w.outages {
		if o.server == server && o.from <= now && now < o.to {
			return true
		}
	}
	return false
}

// count is how often parts was counted before, plus one.
func (w *world) count(parts ...string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := strings.Join(parts, "\x00")
	w.nth[key]++
	return w.nth[key]
}

// note adds to the trace. The caller holds mu.
func (w *world) note(who, what, which, how string) {
	s := step{w.now(), who, what, which, how}
	w.digest = hash(w.digest^scramble(uint64(s.at)), who, what, which, how)
	if w.keepTrace {
		w.trace = append(w.trace, s)
	}
}

// violate notes that an invariant does not hold. The caller holds mu.
func (w *world) violate(invariant, format string, args ...any) {
	what := fmt.Sprintf("%.6f %s: %s", w.now().Seconds(), invariant, fmt.Sprintf(format, args...))
	w.note("checker", "VIOLATION", invariant, what)
	if len(w.violations) < 20 {
		w.violations = append(w.violations, what)
	}
}
