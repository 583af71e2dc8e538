package chaos

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/tests/process"
)

// The defaults are for go test, on machines that do other things too: what is lost
// is judged there, and how long anything took is not. `task availability` judges both.
var (
	failovers = flag.Int("failovers", 2, "how often leaders change while everything is restarted by turns")
	available = flag.Float64("available", 0, "the percentage of probes that must succeed; 0 judges none")
	worstGap  = flag.Duration("gap", 0, "the longest time allowed between two successes; 0 judges none")
	killings  = flag.Int("killings", 0, "how many leaders are killed in a phase of their own, which is reported and not judged")
)

// A probe succeeds when it is accepted within this, the client's own repetitions
// included, and is executed in the end.
const (
	probeEvery  = 50 * time.Millisecond
	probeWithin = 5 * time.Second
)

// probes submits at a steady rate and notes when it succeeded.
type probes struct {
	c    *campaign
	in   *producer.Producer
	name string

	mu     sync.Mutex
	began  time.Time
	sent   []execution.Key
	missed []string
	at     []time.Time
	took   []time.Duration
}

// Everything is restarted by turns, as an upgrade does, while leaders change.
// Whoever submits meanwhile doesn't notice, and nothing is lost.
func TestAvailability(t *testing.T) {
	t.Parallel()
	c := newCampaign(t, 3)
	c.load = newLoad(c) // of the probes alone
	c.load.observe()
	cfg := c.cfg
	cfg.URL = c.cluster.urls()
	nc, err := bus.Connect(t.Context(), cfg, "probes")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := bus.Open(nc)
	if err != nil {
		t.Fatal(err)
	}
	in := producer.New(js, c.objects)

	planned := &probes{c: c, in: in, name: "planned"}
	planned.during(func() { c.rollOut(js) })
	t.Logf("rolling restart of all services, %d failovers: %s", *failovers, planned)
	planned.judge()
	if *killings > 0 {
		killed := &probes{c: c, in: in, name: "killed"}
		killed.during(func() { c.killLeaders(js) })
		t.Logf("%d leaders killed: %s", *killings, killed)
	}
	c.finish()
}

// rollOut restarts every service, one after the other, and has leaders change: they
// step down, or their server is restarted.
func (c *campaign) rollOut(js jetstream.JetStream) {
	of := []string{bus.StreamExecutions, bus.StreamExecutions + "." + bus.ConsumerFleet, ""}
	for i := range max(*failovers, len(c.services)) {
		if i < len(c.services) {
			c.restart(c.services[i])
		}
		if i >= *failovers {
			continue
		}
		if name := of[i%len(of)]; name != "" {
			if err := stepDown(c.admin, name); err != nil {
				c.t.Error(err)
			}
		} else {
			c.endLeader(js, syscall.SIGTERM)
		}
		c.settle(js)
	}
}

// restart does what a rolling update does to one service.
func (c *campaign) restart(s *target) {
	old := s.Process
	old.Send(syscall.SIGTERM)
	if code := old.Exit(c.t, 30*time.Second); code != 0 {
		c.t.Errorf("%s ended with %d after SIGTERM", old, code)
	}
	process.Eventually(c.t, time.Minute, "another "+s.name+" says: "+s.sign, func() bool {
		c.revive()
		return s.Process != old && len(s.Logged(s.sign)) > 0
	})
}

func (c *campaign) killLeaders(js jetstream.JetStream) {
	for range *killings {
		c.endLeader(js, syscall.SIGKILL)
		c.settle(js)
	}
}

// endLeader ends the server that leads the queue.
func (c *campaign) endLeader(js jetstream.JetStream, sig syscall.Signal) {
	var leader *node
	process.Eventually(c.t, time.Minute, "the queue has a leader", func() bool {
		info, err := c.inSync(js)
		if err != nil {
			return false
		}
		for _, n := range c.cluster.nodes {
			if n.args[1] == info.Cluster.Leader {
				leader = n
			}
		}
		return leader != nil
	})
	leader.end(sig, time.Second)
	leader.Exit(c.t, 30*time.Second)
}

// settle waits until every replica has caught up: the next failover must find some.
func (c *campaign) settle(js jetstream.JetStream) {
	for range 3 { // one look may come before a change is seen
		process.Eventually(c.t, time.Minute, "the replicas catch up", func() bool {
			c.revive()
			_, err := c.inSync(js)
			return err == nil
		})
		time.Sleep(time.Second)
	}
}

// inSync returns the state of the queue, or what keeps its replicas from being the
// same.
func (c *campaign) inSync(js jetstream.JetStream) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Second)
	defer cancel()
	for _, name := range []string{"KV_" + bus.BucketLocks, "KV_" + bus.BucketState, bus.StreamEvents, bus.StreamExecutions} {
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return nil, err
		}
		info := stream.CachedInfo()
		if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != len(c.cluster.nodes)-1 {
			return nil, fmt.Errorf("%s has %+v", name, info.Cluster)
		}
		for _, r := range info.Cluster.Replicas {
			if r.Offline || !r.Current {
				return nil, fmt.Errorf("%s: %s is behind", name, r.Name)
			}
		}
		if name == bus.StreamExecutions {
			return info, nil
		}
	}
	return nil, nil
}

// during probes while act lasts, and until every probe is answered.
func (p *probes) during(act func()) {
	p.began = time.Now()
	stop := make(chan struct{})
	var probing sync.WaitGroup
	probing.Go(func() {
		tick := time.NewTicker(probeEvery)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
				probing.Go(func() { p.probe(n) })
			}
		}
	})
	defer probing.Wait()
	defer close(stop)
	act()
}

func (p *probes) probe(n int) {
	k := keyOf(p.name, n)
	call := time.Now()
	ctx, cancel := context.WithTimeout(p.c.t.Context(), probeWithin)
	defer cancel()
	submit := func(ctx context.Context) error {
		_, err := p.in.Submit(ctx, ordinary.submission(k, 10))
		return err
	}
	err := submit(ctx)
	p.count(k, time.Since(call), err)
	if err == nil || p.c.load.repeat(submit) { // what was missed is not given up
		p.c.load.journal.note(k, submitted{}, nil, call)
		p.c.load.accept(k, execution.Succeeded)
	}
}

func (p *probes) count(k execution.Key, took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, k)
	if err != nil {
		p.missed = append(p.missed, fmt.Sprintf("%s: %v", k, err))
		return
	}
	p.at, p.took = append(p.at, time.Now()), append(p.took, took)
}

// gap is the longest time without a success, the one before the first included.
func (p *probes) gap() (worst time.Duration) {
	slices.SortFunc(p.at, time.Time.Compare)
	last := p.began
	for _, at := range p.at {
		worst, last = max(worst, at.Sub(last)), at
	}
	return worst
}

func (p *probes) rate() float64 { return 100 * float64(len(p.at)) / float64(max(len(p.sent), 1)) }

func (p *probes) String() string {
	slices.Sort(p.took)
	q := func(percent int) time.Duration {
		if len(p.took) == 0 {
			return 0
		}
		return p.took[min(len(p.took)*percent/100, len(p.took)-1)].Round(time.Millisecond)
	}
	return fmt.Sprintf("%d of %d probes accepted within %v (%.3f %%), worst gap %v, p50 %v, p99 %v, slowest %v",
		len(p.at), len(p.sent), probeWithin, p.rate(), p.gap().Round(time.Millisecond), q(50), q(99), q(100))
}

func (p *probes) judge() {
	if p.rate() < *available {
		p.c.t.Errorf("%.3f %% available, want %.3f: %v", p.rate(), *available, p.missed)
	}
	if *worstGap > 0 && p.gap() > *worstGap {
		p.c.t.Errorf("%v without a success, want at most %v", p.gap(), *worstGap)
	}
}
