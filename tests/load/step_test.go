package load

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/tests/process"
)

var (
	stepFor   = flag.Duration("step", 4*time.Second, "how long each load of TestStep lasts")
	crossings = flag.Int("crossings", 150, "how many crossings TestCrossing measures")
	stepTries = flag.Int("tries", quietTries, "how often TestStep and TestCrossing may measure: what else runs on the machine can only make it worse")
)

// The workers of TestStep, whose executions sleep, so that the cores aren't the limit.
//
// What a slot spends besides, on lock, record, fsync and waiting for a core, is capacity
// too, and isn't counted as such: at 0.9 of it, an execution of 250 ms leaves 28 ms for
// that. When a busy machine or disk takes more, workers can't do what comes, and the
// bridge rightly takes the rest: with 20 ms put in before each commit it took 4.5 %, with
// 83 ms 19.8 %. Executions of a second leave 111 ms.
const (
	stepWorkers, stepSlots = 2, 8
	stepTakes              = time.Second
	stepCapacity           = stepWorkers * stepSlots // a second
	stepDeadline           = 6 * time.Second
)

// stepPolicies are the bridges that are tried, by what they are told.
var stepPolicies = []struct {
	name string
	vars map[string]string
}{
	{"threshold", map[string]string{}},
	{"slack", map[string]string{"OVERFLOW_POLICY": "slack", "OVERFLOW_DEADLINE": stepDeadline.String()}},
	{"sized", map[string]string{"OVERFLOW_POLICY": "sized", "OVERFLOW_DEADLINE": stepDeadline.String()}},
}

// load is what came of executions that arrived at one rate.
type load struct {
	policy          string
	times           float64 // the workers' capacity
	n, delegated    int
	late            int
	p99, longest    time.Duration // from acceptance to end
	busy            float64       // share of the workers' slots that had an execution, once they had filled up
	worked          float64       // share of their time that was execution, without what comes before and after
	invoked, atOnce int64         // by the Lambda, during all loads of a platform
}

// TestStep has the load step from below the workers' capacity to four times as much. Below,
// the cloud gets next to nothing; above, everything ends in time, and no worker is idle.
func TestStep(t *testing.T) {
	for _, policy := range stepPolicies {
		t.Run(policy.name, func(t *testing.T) {
			var wrong []string
			for range *stepTries {
				awaitQuiet(t)
				below, above := step(t, policy.name, policy.vars)
				t.Log(table(below, above))
				if wrong = append(below.wrong(), above.wrong()...); len(wrong) == 0 {
					return
				}
				t.Log(wrong)
			}
			t.Errorf("in each of %d tries something was wrong, at last: %v", *stepTries, wrong)
		})
	}
}

// step runs a platform below its workers' capacity, and then far above it.
func step(t *testing.T, policy string, vars map[string]string) (below, above load) {
	t.Helper()
	p := newPlatform(t)
	below, above = load{policy: policy, times: 0.9}, load{policy: policy, times: 4}
	all := p.requests(t, "10rows", int(stepFor.Seconds()*stepCapacity*(below.times+above.times)))
	var metrics []string
	for range stepWorkers {
		metrics = append(metrics, p.addWorker(t, stepSlots, takes(stepTakes)))
	}
	p.addBridge(t, p.addLambda(t, takes(stepTakes)), vars)
	time.Sleep(time.Second) // everybody has been heard
	rest := all
	for _, l := range []*load{&below, &above} {
		l.n = min(int(stepFor.Seconds()*stepCapacity*l.times), len(rest))
		arriving, over := context.WithCancel(t.Context())
		var sampling sync.WaitGroup
		sampling.Go(func() { l.busy = occupied(arriving, t, metrics) / (stepWorkers * stepSlots) })
		from, to := p.arrive(t, rest[:l.n], stepCapacity*l.times, stepDeadline)
		over()
		sampling.Wait()
		p.drained(t)
		l.judge(p.ends(t, rest[:l.n]), from.Add(stepTakes), to)
		rest = rest[l.n:]
	}
	stats := p.stopLambda(t)
	above.invoked, above.atOnce = stats.Invocations, int64(stats.MaxConcurrent)
	return below, above
}

// judge looks at how executions ended. Workers are judged from a moment to another.
func (l *load) judge(ends []execution.Outcome, from, to time.Time) {
	var took []time.Duration
	var worked time.Duration
	for _, o := range ends {
		took = append(took, o.Finished.Sub(o.Enqueued))
		if o.Late() {
			l.late++
		}
		if o.Executor == execution.OnLambda {
			l.delegated++
			continue
		}
		begin, end := o.Started, o.Finished
		if begin.Before(from) {
			begin = from
		}
		if end.After(to) {
			end = to
		}
		worked += max(0, end.Sub(begin))
	}
	slices.Sort(took)
	l.p99, l.longest = history.Percentile(took, 99), took[len(took)-1]
	l.worked = worked.Seconds() / (to.Sub(from).Seconds() * stepWorkers * stepSlots)
}

// wrong says what is not as it should be.
func (l *load) wrong() (all []string) {
	share := float64(l.delegated) / float64(l.n)
	switch {
	case l.times < 1 && share > 0.005:
		all = append(all, fmt.Sprintf("%.1f %% delegated below the capacity, want at most 0.5 %%", 100*share))
	case l.times > 1 && l.delegated == 0:
		all = append(all, "nothing delegated above the capacity")
	}
	if l.late > 0 {
		all = append(all, fmt.Sprintf("%d later than %v", l.late, stepDeadline))
	}
	if l.times > 1 && l.busy < 0.95 {
		all = append(all, fmt.Sprintf("workers %.1f %% busy while the bridge spilled, want 95 %%", 100*l.busy))
	}
	return all
}

func table(loads ...load) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\npolicy\ttimes the capacity\texecutions\tdelegated\tlate\tp99\tlongest\tslots busy\texecuting\tinvocations\tat once\t")
	for _, l := range loads {
		fmt.Fprintf(w, "%s\t%.1f\t%d\t%.1f %%\t%d\t%.2f s\t%.2f s\t%.1f %%\t%.1f %%\t%d\t%d\t\n", l.policy, l.times, l.n, 100*float64(l.delegated)/float64(l.n), l.late,
			l.p99.Seconds(), l.longest.Seconds(), 100*l.busy, 100*l.worked, l.invoked, l.atOnce)
	}
	_ = w.Flush()
	return b.String()
}

// ends reads the outcomes of rs.
func (r rig) ends(t testing.TB, rs []execution.Request) []execution.Outcome {
	t.Helper()
	all := make([]execution.Outcome, len(rs))
	const readers = 8
	var reading sync.WaitGroup
	for part := range readers {
		reading.Go(func() {
			for i := part; i < len(rs); i += readers {
				o, err := r.outcomes.Read(context.Background(), execution.Key{Mailbox: rs[i].Mailbox, ID: rs[i].ID, Generation: 1})
				if err != nil {
					t.Error(err)
				}
				all[i] = o
			}
		})
	}
	reading.Wait()
	return all
}

// TestCrossing measures how long it takes from before a message is published that crosses
// the threshold until the request to invoke is at the Lambda: the server's decision, outcome,
// lock and record, reservation and ledger, and HTTP. Nothing of that polls.
func TestCrossing(t *testing.T) {
	const want = 20 * time.Millisecond
	var p99 time.Duration
	for range *stepTries {
		awaitQuiet(t)
		delays := cross(t, *crossings)
		p99 = history.Percentile(delays, 99)
		t.Logf("%d crossings to the request at the Lambda: p50 %v, p90 %v, p99 %v, longest %v", len(delays),
			history.Percentile(delays, 50), history.Percentile(delays, 90), p99, delays[len(delays)-1])
		if p99 < want {
			return
		}
	}
	t.Errorf("p99 %v, and no better in %d tries, want less than %v", p99, *stepTries, want)
}

// cross makes n messages cross the threshold, one by one, and returns the delays, sorted.
func cross(t *testing.T, n int) (delays []time.Duration) {
	t.Helper()
	const threshold = 3 // the default
	p := newPlatform(t)
	rs := p.requests(t, "10rows", 1+threshold+n)
	p.addWorker(t, 1, takes(time.Hour))
	front := newDoor(t, p.addLambda(t, ""))
	p.addBridge(t, front.url, nil)
	p.publishAll(t, rs[:1]) // is taken and sleeps
	p.reaches(t, queue.Backlog{InFlight: 1})
	p.publishAll(t, rs[1:1+threshold])
	p.reaches(t, queue.Backlog{InFlight: 1, Waiting: threshold})
	time.Sleep(time.Second) // heartbeats say that no slot is free
	chance := rand.New(rand.NewPCG(1, 2))
	for i, r := range rs[1+threshold:] {
		began := time.Now()
		if err := queue.Publish(t.Context(), p.js, r); err != nil {
			t.Fatal(err)
		}
		select {
		case at := <-front.comes:
			delays = append(delays, at.Sub(began))
		case <-time.After(10 * time.Second):
			t.Fatalf("crossing %d was never invoked", i)
		}
		time.Sleep(time.Duration(5+chance.IntN(20)) * time.Millisecond) // in step with nothing
	}
	process.Eventually(t, 20*time.Second, "what crossed has ended", func() bool {
		b, err := queue.Lag(t.Context(), p.js)
		return err == nil && b == queue.Backlog{InFlight: 1, Waiting: threshold}
	})
	if extra := len(front.comes); extra > 0 {
		t.Errorf("%d invocations more than crossings", extra)
	}
	slices.Sort(delays)
	return delays
}
