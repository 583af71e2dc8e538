package peers

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/tests/process"
)

// backlog is how many jobs wait when a throughput is measured: more than are done
// in that time.
var backlog = map[bus.Durability]int{bus.Fast: 8000, bus.Fsync: 5000}

// patience is how long anything may take on a busy machine.
const patience = 2 * time.Minute

// throughput is how many jobs one worker process does per second while many wait,
// from when it has done some.
func throughput(t testing.TB, s system, d bus.Durability, slots int) (rate float64) {
	within(t, func(t testing.TB) {
		q := s.start(t, d)
		rs := jobs(t, q.store(), backlog[d])
		q.submit(t, rs)
		q.work(t, work{slots: slots})
		var first, last progress
		process.Eventually(t, patience, s.name+" has warmed up", func() bool {
			first = look(t, q)
			return first.done >= 2*slots
		})
		process.Eventually(t, patience, s.name+" has been measured", func() bool {
			last = look(t, q)
			return last.done == len(rs) || last.at.Sub(first.at) >= *window
		})
		rate = float64(last.done-first.done) / last.at.Sub(first.at).Seconds()
	})
	return rate
}

// progress is how many were done at a time.
type progress struct {
	done int
	at   time.Time
}

// look is seldom enough that it costs what is measured nothing to speak of.
func look(t testing.TB, q queue) progress {
	began := time.Now()
	p := progress{done: q.done(t)}
	took := time.Since(began)
	p.at = began.Add(took / 2)
	time.Sleep(max(15*time.Millisecond, 20*took))
	return p
}

// latency is how long it takes, at 100 a second, from before a job is submitted:
// ours until its outcome is stored, recorded and told, the peers' until their
// handler has stored the result.
func latency(t testing.TB, s system, d bus.Durability) (p50, p99 time.Duration) {
	const slots, pause, warm = 32, 10 * time.Millisecond, 50
	within(t, func(t testing.TB) {
		q := s.start(t, d)
		rs := jobs(t, q.store(), warm+int(*steady/pause))
		q.work(t, work{slots: slots, tell: true})
		q.submit(t, rs[:1]) // so that the worker is up
		ended := func(n int) func() bool { return func() bool { return len(q.ends(t)) >= n } }
		process.Eventually(t, patience, s.name+" works", ended(1))
		began := make([]time.Time, len(rs))
		var submitting sync.WaitGroup
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for i := 1; i < len(rs); i++ {
			<-ticker.C
			began[i] = time.Now()
			submitting.Go(func() { q.submit(t, rs[i:i+1]) })
		}
		submitting.Wait()
		process.Eventually(t, patience, s.name+" has done all", ended(len(rs)))
		ends := q.ends(t)
		var took []time.Duration
		for i := warm; i < len(rs); i++ {
			took = append(took, ends[rs[i].ID].Sub(began[i]))
		}
		slices.Sort(took)
		p50, p99 = took[len(took)/2], took[len(took)*99/100]
	})
	return p50, p99
}

// crash is one way to recover from the loss of a worker.
type crash struct {
	system, setting string
	times           int                      // that it is measured; 0 is not at all
	start           func(t testing.TB) queue //
	vars            map[string]string        // of the workers
	stated          time.Duration            // what is not measured, at least
}

var crashCases = []crash{
	{system: "SAGE Fleet", setting: "QUEUE_ACK_WAIT=5s", times: 3,
		start: func(t testing.TB) queue { return newSage(t, bus.Fast, "file", 5*time.Second) }},
	{system: "SAGE Fleet", setting: "default, QUEUE_ACK_WAIT=30s", times: 1,
		start: func(t testing.TB) queue { return newSage(t, bus.Fast, "file", 30*time.Second) }},
	{system: "River", setting: "RescueStuckJobsAfter 5s, JobTimeout 5s", times: 1,
		start: func(t testing.TB) queue { return startRiver(t, bus.Fast) }, vars: map[string]string{"RESCUE_AFTER": "5s"}},
	{system: "River", setting: "default, RescueStuckJobsAfter 1h", stated: time.Hour},
	{system: "asynq", setting: "default (its lease of 30s can't be changed)", times: 1,
		start: func(t testing.TB) queue { return startAsynq(t, bus.Fast) }},
}

// rerun is the time from the death of a worker whose work is done but not kept until
// another worker, started then, has done the job.
func rerun(t testing.TB, c crash) (took time.Duration) {
	within(t, func(t testing.TB) {
		q := c.start(t)
		q.submit(t, jobs(t, q.store(), 1))
		victim := q.work(t, work{slots: 8, die: true, vars: c.vars})
		victim.Exit(t, patience)
		died := time.Now()
		q.work(t, work{slots: 8, vars: c.vars})
		process.Eventually(t, 5*time.Minute, c.system+" has the job done again", func() bool { return q.done(t) == 1 })
		took = time.Since(died)
	})
	return took
}

// reruns measures all at once: they only wait.
func reruns(t testing.TB) []crashFigure {
	figures := make([]crashFigure, len(crashCases))
	var all sync.WaitGroup
	for i, c := range crashCases {
		figures[i] = crashFigure{System: c.system, Setting: c.setting, Stated: c.stated.Seconds()}
		all.Go(func() {
			for range c.times {
				took := rerun(t, c)
				fmt.Printf("crash to rerun: %s, %s: %.1f s\n", c.system, c.setting, took.Seconds())
				figures[i].Seconds = append(figures[i].Seconds, took.Seconds())
			}
		})
	}
	all.Wait()
	return figures
}
