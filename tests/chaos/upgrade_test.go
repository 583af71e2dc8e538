package chaos

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/tests/process"
)

var previous = flag.Bool("previous", false, "also replace programs of an earlier commit by today's, and back; takes another build")

// previousCommit is what TestProgramsAreReplaced takes for version N−1. After a release,
// make it the release's commit: `git rev-parse v1.2.3^{commit}`. A module that it needs must
// be in the cache, or be downloaded.
//
// This one is the last that knew no versions. It refuses what today's programs write only
// where that has a field or a version more, and they write none yet: the function answers
// 400 to another field of a delegation, the ledger takes an entry with another field for
// none, and a worker makes a dead letter of a request with one.
const previousCommit = "7219bea6227eac3ebdfe4b1ed70149a3779cee4b"

// release is where the programs of one version are.
type release struct{ name, dir string }

// Whatever program is replaced while work is in flight, by its own version or another, all
// ends once, and nobody's attempt is charged.
func TestProgramsAreReplaced(t *testing.T) {
	t.Parallel()
	today := release{"N", binaries}
	t.Run("by the same", func(t *testing.T) {
		t.Parallel()
		newRollout(t, today).run(today)
	})
	if *previous {
		before := release{"N-1", buildPrevious(t)}
		t.Run("N-1 by N and back", func(t *testing.T) {
			t.Parallel()
			newRollout(t, before).run(today, before)
		})
	}
}

// buildPrevious builds the programs of previousCommit and returns where they are.
func buildPrevious(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	sources := filepath.Join(dir, "sources")
	for _, command := range [][]string{
		{"mkdir", sources},
		{"git", "-C", "../..", "archive", "--output", sources + ".tar", previousCommit},
		{"tar", "-xf", sources + ".tar", "-C", sources},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", command, err, out)
		}
	}
	if err := process.BuildFrom(sources, dir, "failpoints", programs[:4]...); err != nil {
		t.Fatal(err)
	}
	return dir
}

// rollout is a fleet whose programs are replaced one after the other under load.
type rollout struct {
	*fleet
	t       *testing.T
	began   release
	front   atomic.Pointer[httputil.ReverseProxy] // of the Lambda in force
	lambdas map[string]*lambdalocal.Service       // by release
	hosts   map[string]string                     // release by host, without the part that tells starts apart

	accepted []execution.Key // the submitting goroutine's until it has ended
}

const (
	rolloutTakes   = 400 * time.Millisecond // an execution: whenever a program is replaced, some are under way
	rolloutTimeout = time.Minute            // of the function: a slow machine must not look like a failure
	rolloutEvery   = 50 * time.Millisecond  // one is submitted: more than the workers can do
)

func newRollout(t *testing.T, began release) *rollout {
	t.Helper()
	r := &rollout{fleet: newFleet(t, stores["file"](t)), t: t, began: began, lambdas: map[string]*lambdalocal.Service{}, hosts: map[string]string{}}
	maps.Copy(r.vars, map[string]string{"DRAIN": "2s", "RECONCILE_EVERY": "1s", "RECONCILE_GRACE": "3s"})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.front.Load().ServeHTTP(w, req) }))
	t.Cleanup(front.Close)
	r.deployLambda(began)
	for range 2 {
		r.addWorker()
	}
	for range 2 {
		r.services = append(r.services, &service{name: "bridge", sign: "bridge watches the backlog", vars: r.with(map[string]string{
			"LAMBDA_FUNCTION": function, "LAMBDA_ENDPOINT": front.URL, "LAMBDA_TIMEOUT": rolloutTimeout.String(),
			"BRIDGE_SLOTS": "2", "OVERFLOW_PENDING": "0", "OVERFLOW_CPU": "0", "BRIDGE_LEASE": "3s", "BUDGET_HOUR_USD": "100",
		})})
	}
	for _, s := range r.services {
		r.start(s, began)
	}
	return r
}

// start starts s as it is in a release.
func (r *rollout) start(s *service, of release) {
	r.t.Helper()
	s.Process = process.Start(r.t, filepath.Join(of.dir, s.name), s.vars)
	r.hosts[s.Host()] = of.name
	process.Eventually(r.t, time.Minute, s.String()+" says: "+s.sign, func() bool { return len(s.Logged(s.sign)) > 0 })
}

// deployLambda has the function be the one of a release from now on. What the one before
// has begun it finishes.
func (r *rollout) deployLambda(of release) {
	r.t.Helper()
	if r.lambdas[of.name] == nil {
		cfg := lambdalocal.Config{Function: function, Command: []string{filepath.Join(of.dir, "lambda")}, Concurrency: 8, Timeout: rolloutTimeout}
		for name, value := range r.vars {
			cfg.Env = append(cfg.Env, name+"="+value)
		}
		lambda, err := lambdalocal.Listen(cfg)
		if err != nil {
			r.t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- lambda.Run(ctx) }()
		r.t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				r.t.Error(err)
			}
		})
		r.lambdas[of.name] = lambda
	}
	to, err := url.Parse(r.lambdas[of.name].URL())
	if err != nil {
		r.t.Fatal(err)
	}
	r.front.Store(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to); p.Out.Host = p.In.Host }})
}

// run replaces everything by each of the releases in turn, and judges.
func (r *rollout) run(to ...release) {
	stop, submitted := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(submitted)
		r.submit(stop)
	}()
	releases := []release{r.began}
	for _, next := range to {
		releases = append(releases, next)
		// In the order of deploy/runbooks/upgrade.md. It is the same on the way back, against the
		// runbook: so each program meets both versions of each other one.
		for i, s := range r.services {
			// One of each is drained; the other is killed, and what it had is delivered again.
			signal := syscall.SIGTERM
			if i%2 == 1 {
				signal = syscall.SIGKILL
			}
			r.awaitWork(func() { r.replace(s, next, signal) })
		}
		r.awaitWork(func() { r.deployLambda(next) })
	}
	r.awaitWork(func() {})
	close(stop)
	<-submitted
	// What a bridge had announced when it was killed may be running as long as the function's timeout.
	process.Eventually(r.t, patience+2*rolloutTimeout, "everything has ended", func() bool { return r.idle(r.t) })
	r.judge(releases)
}

// awaitWork does a step once workers and bridges have work in flight, and more is there.
func (r *rollout) awaitWork(step func()) {
	r.t.Helper()
	time.Sleep(time.Second) // what was replaced last must do something
	process.Eventually(r.t, time.Minute, "work is in flight", func() bool {
		b, err := queue.Lag(r.t.Context(), r.js)
		return err == nil && b.InFlight > 4
	})
	step()
}

func (r *rollout) replace(s *service, by release, signal syscall.Signal) {
	r.t.Helper()
	s.Signal(r.t, signal)
	if code := s.Exit(r.t, 30*time.Second); code != 0 && signal == syscall.SIGTERM {
		r.t.Errorf("%s ended with %d after SIGTERM", s, code)
	}
	r.start(s, by)
}

// submit submits at a steady rate until stop is closed.
func (r *rollout) submit(stop <-chan struct{}) {
	tick := time.NewTicker(rolloutEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if !r.armed(failpoint.Working) { // by whoever comes there first
			r.arm(r.t, failpoint.Working, "delay:"+rolloutTakes.String())
		}
		k := keyOf(fmt.Sprintf("mailbox%d", n%mailboxes), n)
		if _, err := r.producer.Submit(r.t.Context(), ordinary.submission(k, 10)); err != nil {
			r.t.Errorf("submit %s: %v", k, err)
			return
		}
		r.accepted = append(r.accepted, k)
	}
}

// judge has the sage of each release verify what happened, and looks at who did it.
func (r *rollout) judge(releases []release) {
	r.t.Helper()
	var list strings.Builder
	by, worked, invoked := map[string]int{}, 0, 0
	for _, k := range r.accepted {
		fmt.Fprintln(&list, k)
		o := r.read(r.t, k)
		if o.Kind != execution.Succeeded || o.Number != 1 {
			r.t.Errorf("%s ended %q with attempt %d: %v", k, o.Kind, o.Number, o.Fault)
		}
		if o.Executor == execution.OnWorker {
			worked++
			by["worker "+r.hosts[process.HostOf(o.Host)]]++
		}
	}
	file := filepath.Join(r.t.TempDir(), "accepted")
	if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
	for _, of := range releases {
		var report history.Report
		sage := process.Start(r.t, filepath.Join(of.dir, "sage"), r.vars, "verify", "--accepted", file, "--ended", "--json")
		code := sage.Exit(r.t, time.Minute)
		out := sage.Tail(1 << 20)
		if err := json.Unmarshal([]byte(out[max(strings.LastIndex(out, "\n{")+1, 0):]), &report); err != nil {
			r.t.Fatalf("sage verify of %s: %v: %s", of.name, err, out)
		}
		if code != 0 || report.Succeeded != len(r.accepted) || report.Lost+report.Doubled+report.Dead+report.Refused != 0 {
			r.t.Errorf("sage verify of %s ended with %d: %s", of.name, code, out)
		}
		by["lambda "+of.name] = int(r.lambdas[of.name].Stats().Invocations)
	}
	for _, lambda := range r.lambdas {
		invoked += int(lambda.Stats().Invocations)
	}
	if invoked != len(r.accepted)-worked { // the ledger of a bridge that was killed was not believed
		r.t.Errorf("%d invocations of the %d executions that ended there", invoked, len(r.accepted)-worked)
	}
	for _, of := range releases {
		for _, who := range []string{"worker ", "lambda "} {
			if by[who+of.name] == 0 {
				r.t.Errorf("no execution by the %s%s: %v", who, of.name, by)
			}
		}
	}
	r.t.Logf("%d executions, 0 lost, 0 doubled, 0 dead; executed by workers, and invocations: %v", len(r.accepted), by)
}
