package chaos

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/tests/process"
)

// patience is how long an execution may take to end after a crash before it is
// taken for lost. It is no measure: see the recovery flag.
const patience = time.Minute

// How long the next bridge waits before it does what one does for all, and what must be
// so before it does anything.
const (
	lease = 3 * time.Second
	grace = 2 * time.Second
	// leadAgain is the lease, the grace of what the repair itself changed, and its sweeps.
	leadAgain = lease + 2*grace + 3*time.Second
)

// run is one crash at one point.
type run struct {
	scenario
	point   failpoint.Point
	seed    int
	store   string
	fleet   *fleet
	journal *journal
	key     execution.Key
	rows    int
}

// Each step of the protocol is crashed in fleets of real processes. Every
// execution must end, and only once.
func TestCrashPoints(t *testing.T) {
	t.Parallel() // it waits nearly always
	results := &table{}
	t.Run("fleets", func(t *testing.T) {
		for store := range strings.SplitSeq(*places, ",") {
			for kind, queue := range queues(store) {
				for lane := range lanesOf(kind) {
					t.Run(fmt.Sprintf("%s %s %d", store, kind, lane), func(t *testing.T) {
						t.Parallel()
						crashAll(t, kind, store, queue, results)
					})
				}
			}
		}
	})
	t.Logf("AckWait %v\n%s", *ackWait, results)
	for c, more := range map[kindOfRow]time.Duration{ofAll: 0, ofAnnounced: lambdaTimeout + lambdaMargin, ofLeading: leadAgain} {
		p99 := results.percentile(99, c)
		t.Logf("recovery p99 %v, %s", p99, c)
		if *recovery > 0 && p99 > *recovery+more {
			t.Errorf("that is more than %v", *recovery+more)
		}
	}
}

// queues are the runs to be done with a store, by kind of fleet.
func queues(store string) map[string]chan run {
	var all []run
	for seed := range *seeds {
		for point, ways := range scenarios {
			if *points != "" && !slices.Contains(strings.Split(*points, ","), string(point)) {
				continue
			}
			for way, s := range ways {
				if s.only == nil || s.only[store] {
					all = append(all, run{scenario: s, point: point, seed: seed, store: store, key: execution.Key{
						Mailbox:    strings.ReplaceAll(string(point), ".", "-"),
						ID:         fmt.Sprintf("way%d-seed%d", way, seed),
						Generation: 1,
					}})
				}
			}
		}
	}
	byKind := map[string]chan run{workers: make(chan run, len(all)), bridges: make(chan run, len(all)), events: make(chan run, len(all))}
	for _, r := range all {
		byKind[r.scenario.fleet] <- r
	}
	for _, queue := range byKind {
		close(queue)
	}
	return byKind
}

// lanesOf shares the lanes out: a fleet of bridges has a third of the runs, and one that
// sends events few.
func lanesOf(kind string) int {
	switch kind {
	case bridges:
		return max(*lanes/3, 1)
	case events:
		return max(*lanes/10, 1)
	}
	return max(*lanes-*lanes/3-*lanes/10, 1)
}

// crashAll takes runs from queue until none is left and checks the history of
// all of them.
func crashAll(t *testing.T, kind, store string, queue <-chan run, results *table) {
	f := newFleet(t, stores[store](t))
	if kind == workers {
		f.addWorker()
		f.addWorker()
	} else {
		lambda := f.startLambda(t)
		for range 2 {
			f.addBridge(lambda)
			maps.Copy(f.services[len(f.services)-1].vars, map[string]string{
				"REMOTE_MODE":  map[string]string{bridges: "sync", events: "event"}[kind],
				"BRIDGE_LEASE": lease.String(), "RECONCILE_EVERY": "1s", "RECONCILE_GRACE": grace.String()})
		}
	}
	journal := newJournal()
	var accepted []execution.Key
	for r := range queue {
		r.fleet, r.journal = f, journal
		keys, took, ok := r.crash(t)
		accepted = append(accepted, keys...)
		results.add(row{store, r.point, r.leads}, took, ok)
	}
	report, err := history.Check(t.Context(), f.js, f.outcomes, accepted)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d executions, %d bytes of results compared, %d large ones among them", report.Accepted, report.Hashed, report.Large)
	if report.Hashed == 0 && report.Succeeded > 0 {
		t.Error("no result was read")
	}
	if !report.Clean() {
		t.Errorf("%d lost, %d doubled\n%s", report.Lost, report.Doubled, report.Explain())
	}
	journal.check(t)
}

// crash submits an execution and others that keep it company, lets one process
// crash at the point, and returns how long after that everything had ended.
func (r *run) crash(t *testing.T) (keys []execution.Key, took time.Duration, ok bool) {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(r.point))
	random := rand.New(rand.NewPCG(uint64(r.seed), hash.Sum64()))
	r.rows = 1 + random.IntN(200)
	if r.config == nil && random.IntN(3) == 0 {
		r.config = large.config
	}
	f := r.fleet
	services := len(f.services)
	f.revive(t)
	for p, action := range r.arms {
		f.arm(t, p, action)
	}
	f.arm(t, r.point, "kill")
	if r.submit == nil {
		r.submitAs(t, r.key)
		keys = append(keys, r.key)
	} else {
		keys = append(keys, r.submit(t, r)...)
	}
	for i := range random.IntN(3) {
		if r.alone {
			break
		}
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		company := r.key
		company.ID += "-company" + strconv.Itoa(i)
		r.submitAs(t, company)
		keys = append(keys, company)
	}
	if !process.Until(patience, func() bool { return !f.armed(r.point) }) {
		t.Errorf("%s: no process came to %s", r.key, r.point)
		return keys, 0, false
	}
	crashed := time.Now()
	if r.after != nil {
		r.after(f, t)
	}
	if ok = r.await(t, keys); !ok {
		t.Errorf("%s on %s: not all had ended %v after the crash at %s", r.key, r.store, patience, r.point)
	}
	if ok && r.settled != nil {
		if ok = process.Until(patience, func() bool { return r.settled(t, r) }); !ok {
			t.Errorf("%s on %s: not all was settled %v after the crash at %s", r.key, r.store, patience, r.point)
		}
	}
	took = time.Since(crashed)
	// After the last step everything may have ended before the process has.
	if r.submit == nil && r.after == nil && !process.Until(patience, func() bool { return f.ended() == 1 }) {
		t.Errorf("%s: %d services ended, want one to have crashed", r.key, f.ended())
	}
	for _, s := range f.services[services:] {
		s.Stop(t)
	}
	f.services = f.services[:services]
	return keys, took, ok
}

func (r *run) submitAs(t testing.TB, k execution.Key) {
	t.Helper()
	call := time.Now()
	if _, err := r.fleet.producer.Submit(t.Context(), r.submission(k, r.rows)); err != nil {
		t.Fatal(err)
	}
	r.journal.note(k, submitted{}, nil, call)
}

// await reads until all have ended and the queue is empty, and notes what it saw.
func (r *run) await(t testing.TB, keys []execution.Key) bool {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ended := 0
		for _, k := range keys {
			if r.look(t, k) {
				ended++
			}
		}
		call := time.Now()
		if ended < len(keys) || !r.fleet.idle(t) {
			continue
		}
		for _, k := range keys {
			r.journal.note(k, settled{}, nil, call)
			r.look(t, k)
		}
		return true
	}
	return false
}

// look reads OUTCOME, as any client may, and reports whether k has ended.
func (r *run) look(t testing.TB, k execution.Key) bool {
	t.Helper()
	call := time.Now()
	o := r.fleet.read(t, k)
	r.journal.note(k, read{}, o.Attempt, call)
	want := execution.Succeeded
	if r.kind != "" {
		want = r.kind
	}
	if o.Kind != "" && o.Kind != want {
		t.Errorf("%s ended %s: %v, want %s", k, o.Kind, o.Fault, want)
	}
	return o.Kind != ""
}

// A point that no scenario passes would never be crashed.
func TestEveryPointHasAScenario(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../shared/failpoint/points.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var points int
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "inbox.") || strings.HasPrefix(name, "notice.") { // tests/inbox and tests/notify end processes at those
			return false
		}
		points++
		if len(scenarios[failpoint.Point(name)]) == 0 {
			t.Errorf("no scenario passes %s", name)
		}
		return false
	})
	if points == 0 || points != len(scenarios) {
		t.Errorf("%d points, %d with scenarios", points, len(scenarios))
	}
}
