package chaos

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/sagefleet/sagefleet/shared/failpoint"
)

// class is one way to break the fleet.
type class struct {
	name  string
	begin func(*campaign) breakage
}

// breakage is a fault that has begun. It ends after a while and once it was felt,
// or when patience is over; felt and end may be nil.
type breakage struct {
	lasts time.Duration
	felt  func() bool
	end   func()
	none  bool // it could not begin
}

const (
	feeling = 15 * time.Second // how long a fault waits for somebody to feel it
	again   = 3                // how often a class may be repeated that nobody felt
)

// lanes are classes of which one happens at a time.
var byLane = map[string][]class{
	"workers": {
		{"worker killed", kill("worker")},
		{"worker stopped for 3 TTLs", stall("worker")},
		{"worker cut off from NATS", spoil("worker", partition, 4*time.Second)},
		{"worker far from NATS", spoil("worker", slowness, 4*time.Second)},
		{"worker's connections reset", spoil("worker", resets, time.Second)},
	},
	"bridges": {
		{"bridge killed", kill("bridge")},
		{"bridge stopped for 3 TTLs", stall("bridge")},
		{"bridge cut off from NATS", spoil("bridge", partition, 4*time.Second)},
		{"producers cut off from NATS", spoilClients},
	},
	"servers": {
		{"NATS server restarted", endServer(syscall.SIGTERM)},
		{"NATS server killed", endServer(syscall.SIGKILL)},
	},
	"leaders": {
		{"leader of a stream steps down", stepDownOne(false)},
		{"leader of a consumer steps down", stepDownOne(true)},
	},
	"storage": {
		{"S3 answers 500", harmStorage(answers(http.StatusInternalServerError, "InternalError"), 40)},
		{"S3 answers SlowDown", harmStorage(answers(http.StatusServiceUnavailable, "SlowDown"), 40)},
		{"S3 does it, and its reply is lost", harmStorage(lost, 30)},
		{"S3 body cut off", harmStorage(truncated, 20)},
		{"S3 full", harmStorage(full, 40)},
	},
	"lambda": {
		{"Lambda throttles", harmLambda(throttled, 5)},
		{"Lambda runs an invocation twice", harmLambda(doubled, 3)},
		{"Lambda completes, and its reply is lost", harmLambda(lost, 3)},
		{"Lambda times out at work", armLambda(failpoint.Working, "delay:8s")},
		{"Lambda times out after its commit", armLambda(failpoint.Committed, "delay:8s")},
		{"Lambda's process killed", armLambda(failpoint.Worked, "kill")},
	},
	"operators": {
		{"redrive", operate((*load).redrive)},
		{"cancel", operate((*load).cancel)},
	},
}

// alone are the lanes of a fleet with one server and its files on a disk.
func alone() map[string][]class {
	lanes := maps.Clone(byLane)
	delete(lanes, "leaders")
	lanes["storage"] = []class{{"disk full", fillDisk}}
	return lanes
}

// planned is a fault at its time.
type planned struct {
	class
	at time.Duration
}

// plan spreads every class over the time, each lane's by turns in a random order.
func (c *campaign) plan(lasts time.Duration) []planned {
	var all []planned
	lanes := byLane
	if len(c.cluster.nodes) == 1 {
		lanes = alone()
	}
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		var lane []class
		for range *campaignTimes + *campaignTimes/5 { // some may not be felt, see breakAll
			round := slices.Clone(lanes[name])
			c.random.Shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
			lane = append(lane, round...)
		}
		for i, k := range lane {
			at := (float64(i) + 0.2 + 0.3*c.random.Float64()) / float64(len(lane))
			all = append(all, planned{k, time.Duration(at * float64(lasts))})
		}
	}
	slices.SortStableFunc(all, func(a, b planned) int { return int(a.at - b.at) })
	return all
}

// breakAll lets the planned faults happen and keeps the fleet alive meanwhile. A fault
// that nobody felt is repeated, a few times, if its class has not happened often enough.
func (c *campaign) breakAll(lasts time.Duration) {
	type active struct {
		class
		breakage
		began time.Time
	}
	began, plan, all := time.Now(), c.plan(lasts), []active{}
	repeats := map[string]int{}
	missed := func(k class) {
		c.toll.count(k.name, false)
		comes := slices.ContainsFunc(plan, func(p planned) bool { return p.name == k.name })
		if !comes && c.toll.times[k.name] < *campaignTimes && repeats[k.name] < again {
			repeats[k.name]++
			plan = append(plan, planned{k, time.Since(began)})
		}
	}
	for time.Since(began) < lasts || len(plan) > 0 || len(all) > 0 {
		c.revive()
		for len(plan) > 0 && time.Since(began) >= plan[0].at {
			k := plan[0].class
			plan = plan[1:]
			if b := k.begin(c); !b.none {
				all = append(all, active{k, b, time.Now()})
			} else {
				missed(k)
			}
		}
		all = slices.DeleteFunc(all, func(a active) bool {
			felt := a.felt == nil || a.felt()
			if since := time.Since(a.began); since < a.lasts || !felt && since < feeling {
				return false
			}
			if a.end != nil {
				a.end()
			}
			if felt {
				c.toll.count(a.name, true)
			} else {
				missed(a.class)
			}
			return true
		})
		time.Sleep(20 * time.Millisecond)
	}
}

// one picks a running service of a kind.
func (c *campaign) one(kind string) *target {
	var all []*target
	for _, s := range c.services {
		if s.name == kind && s.Running() {
			all = append(all, s)
		}
	}
	n := c.random.Uint64() // always drawn: the schedule is the seed's
	if len(all) == 0 {
		return nil
	}
	return all[n%uint64(len(all))]
}

func kill(kind string) func(*campaign) breakage {
	return func(c *campaign) breakage {
		s := c.one(kind)
		if s == nil {
			return breakage{none: true}
		}
		s.Send(syscall.SIGKILL)
		return breakage{}
	}
}

func stall(kind string) func(*campaign) breakage {
	return func(c *campaign) breakage {
		s := c.one(kind)
		if s == nil {
			return breakage{none: true}
		}
		p := s.Process
		p.Send(syscall.SIGSTOP)
		return breakage{lasts: stalled, end: func() { p.Send(syscall.SIGCONT) }}
	}
}

func spoil(kind, toxic string, lasts time.Duration) func(*campaign) breakage {
	return func(c *campaign) breakage {
		s := c.one(kind)
		if s == nil {
			return breakage{none: true}
		}
		s.link.spoil(toxic)
		return breakage{lasts: lasts, end: s.link.mend}
	}
}

func spoilClients(c *campaign) breakage {
	c.clients.spoil(partition)
	return breakage{lasts: 3 * time.Second, end: c.clients.mend}
}

func endServer(sig syscall.Signal) func(*campaign) breakage {
	return func(c *campaign) breakage {
		n := c.cluster.nodes[c.random.IntN(len(c.cluster.nodes))]
		if !n.Running() {
			return breakage{none: true}
		}
		n.end(sig, time.Second)
		return breakage{}
	}
}

func stepDownOne(consumer bool) func(*campaign) breakage {
	return func(c *campaign) breakage {
		of := leaders[:6]
		if consumer {
			of = leaders[6:]
		}
		name := of[c.random.IntN(len(of))]
		done := make(chan struct{})
		go func() {
			defer close(done)
			for stepDown(c.admin, name) != nil { // there may be no leader just now
				select {
				case <-c.t.Context().Done():
					return
				case <-time.After(200 * time.Millisecond):
				}
			}
		}()
		return breakage{felt: closed(done)}
	}
}

// closed reports whether done is.
func closed(done <-chan struct{}) func() bool {
	return func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
}

func harmStorage(h harm, n int) func(*campaign) breakage {
	return func(c *campaign) breakage {
		felt, end := c.storage.arm(h, n)
		return breakage{lasts: 2 * time.Second, felt: felt, end: end}
	}
}

func harmLambda(h harm, n int) func(*campaign) breakage {
	return func(c *campaign) breakage {
		felt, end := c.lambda.arm(h, n)
		return c.needed(breakage{lasts: 2 * time.Second, felt: felt, end: end})
	}
}

// needed has more submitted than workers can take while the fault b of a Lambda lasts or
// waits to be felt.
func (c *campaign) needed(b breakage) breakage {
	end := b.end
	b.end = func() { c.load.rush.Store(false); end() }
	c.load.rush.Store(true)
	return b
}

// armLambda has the next Lambda that comes to a point do something there.
func armLambda(p failpoint.Point, action string) func(*campaign) breakage {
	return func(c *campaign) breakage {
		f := fleet{armory: c.lambdaArmory}
		f.arm(c.t, p, action)
		return c.needed(breakage{felt: func() bool { return !f.armed(p) }, end: func() { _ = os.Remove(filepath.Join(f.armory, string(p))) }})
	}
}

// operate has an operator do something to some execution, which may take its time.
func operate(act func(*load) bool) func(*campaign) breakage {
	return func(c *campaign) breakage {
		done := make(chan struct{})
		c.load.working.Go(func() {
			if act(c.load) {
				close(done)
			}
		})
		return breakage{felt: closed(done)}
	}
}

// fillDisk leaves no room on the disk for a while.
func fillDisk(c *campaign) breakage {
	filler := filepath.Join(c.disk, "filler")
	f, err := os.Create(filler)
	for block := make([]byte, 1<<20); err == nil; {
		_, err = f.Write(block)
	}
	_ = f.Close()
	return breakage{lasts: 2 * time.Second, felt: func() bool { return errors.Is(err, syscall.ENOSPC) }, end: func() { _ = os.Remove(filler) }}
}
