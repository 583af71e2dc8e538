package chaos

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

// How much a campaign does. The defaults are for go test; `task chaos` does it all.
var (
	campaignLasts = flag.Duration("campaign", 20*time.Second, "how long faults happen")
	campaignSize  = flag.Int("submissions", 400, "how many executions are submitted meanwhile")
	campaignTimes = flag.Int("times", 1, "how often each class of fault must happen at least")
	campaignSeed  = flag.Uint64("seed", 0, "of the schedule of faults; 0 takes one by chance")
	campaignSizes = flag.String("servers", "3", "how many NATS servers there are: 3 with the files in S3, or 1 with them on a disk, for which root is needed; with commas")
)

// Campaign settings.
const (
	campaignAckWait = 5 * time.Second
	quietWithin     = time.Minute
	stalled         = 8 * time.Second // more than three times the lock's TTL
)

// campaign is a fleet whose every way to the outside can be spoiled.
type campaign struct {
	t        testing.TB
	random   *rand.Rand // of the schedule alone
	cluster  *cluster
	admin    *nats.Conn // with nothing in the way
	js       jetstream.JetStream
	cfg      bus.Config
	objects  storage.Store // with nothing in the way
	outcomes *outcome.Store

	storage, lambda    *faulty
	storageURL, direct string
	disk               string // that the files are on, when they are not in S3
	lambdaArmory       string
	vars               map[string]string
	services           []*target
	clients            *link // of the producers and operators
	load               *load
	toll               toll
	all                []*process.Process // ever started
}

// target is a service with a link of its own.
type target struct {
	service
	link *link
	dead time.Time // when it was seen to have ended
}

// A fleet that is broken in every way, all the time, under load, finishes all that
// it accepted once it is left alone, and exactly once.
func TestCampaign(t *testing.T) {
	for size := range strings.SplitSeq(*campaignSizes, ",") {
		t.Run(size+" servers", func(t *testing.T) {
			t.Parallel() // to the crash points
			n, err := strconv.Atoi(size)
			if err != nil {
				t.Fatal(err)
			}
			newCampaign(t, n).run(*campaignLasts)
		})
	}
}

func newCampaign(t testing.TB, servers int) *campaign {
	t.Helper()
	process.DependOnSources(t)
	seed := *campaignSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d", seed)
	c := &campaign{t: t, random: rand.New(rand.NewPCG(seed, 0)), cluster: startCluster(t, servers), lambdaArmory: t.TempDir()}
	c.vars = map[string]string{
		"NATS_REPLICAS": strconv.Itoa(servers), "SCRATCH_DIR": t.TempDir(), "QUEUE_ACK_WAIT": campaignAckWait.String(),
		"BACKOFF_CAP": "5s", "SLOTS": "2", "MAX_ATTEMPTS": "8", "MAX_CRASHES": "8", "DRAIN": "5s",
		"RECONCILE_EVERY": "2s", "RECONCILE_GRACE": "10s",
	}
	maps.Copy(c.vars, process.AWSVariables)
	c.openStorage()
	var err error
	if c.cfg, err = env.ParseAsWithOptions[bus.Config](env.Options{Environment: c.vars}); err != nil {
		t.Fatal(err)
	}
	var ready bool
	if c.admin, ready = c.cluster.connect(c.cfg); !ready {
		t.Fatal("the servers can't be provisioned")
	}
	if c.js, err = bus.Open(c.admin); err != nil {
		t.Fatal(err)
	}
	c.clients = newLink(t, c.cluster)
	c.startServices()
	return c
}

// openStorage puts a faulty proxy before an S3 server. With one NATS server the
// files are on a small disk instead.
func (c *campaign) openStorage() {
	if len(c.cluster.nodes) == 1 {
		c.disk = smallDisk(c.t)
		c.direct = "file://" + c.disk + "/files"
		c.storageURL = c.direct
	} else {
		endpoint := startBucket(c.t)
		c.direct = bucketURL(endpoint)
		var near string
		c.storage, near = newFaulty(c.t, endpoint)
		c.storageURL = bucketURL(near)
	}
	c.vars["STORAGE_URL"] = c.storageURL
	var err error
	if c.objects, err = storage.Open(c.t.Context(), c.direct); err != nil {
		c.t.Fatal(err)
	}
	c.outcomes = outcome.New(c.objects)
}

func (c *campaign) startServices() {
	lambda, near := newFaulty(c.t, c.startLambda().URL())
	c.lambda = lambda
	for range 4 {
		c.add("worker", "worker takes executions", nil)
	}
	for range 2 {
		c.add("bridge", "bridge watches the backlog", map[string]string{
			"LAMBDA_FUNCTION": function, "LAMBDA_ENDPOINT": near, "LAMBDA_TIMEOUT": campaignLambdaTimeout.String(),
			"LAMBDA_MARGIN": "2s", "LAMBDA_BUSY": "500ms", "BRIDGE_SLOTS": "2", "OVERFLOW_PENDING": "0", "OVERFLOW_CPU": "0",
		})
	}
	c.revive()
	for _, s := range c.services {
		process.Eventually(c.t, time.Minute, s.String()+" says: "+s.sign, func() bool {
			c.revive()
			return len(s.Logged(s.sign)) > 0
		})
	}
}

func (c *campaign) add(name, sign string, vars map[string]string) {
	s := &target{service: service{name: name, sign: sign, vars: maps.Clone(c.vars)}, link: newLink(c.t, c.cluster)}
	maps.Copy(s.vars, vars)
	s.vars["NATS_URL"] = s.link.url()
	c.services = append(c.services, s)
}

const campaignLambdaTimeout = 5 * time.Second

func (c *campaign) startLambda() *lambdalocal.Service {
	cfg := lambdalocal.Config{Function: function, Command: []string{program("lambda")}, Concurrency: 4, Timeout: campaignLambdaTimeout}
	for name, value := range c.vars {
		cfg.Env = append(cfg.Env, name+"="+value)
	}
	cfg.Env = append(cfg.Env, "SAGE_FAILPOINT_DIR="+c.lambdaArmory)
	service, err := lambdalocal.Listen(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := service.Run(ctx); err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(func() { stop(); running.Wait() })
	return service
}

// revive does what a platform does: it starts again, after a moment, what ended.
func (c *campaign) revive() {
	c.cluster.revive()
	for _, s := range c.services {
		switch {
		case s.Process != nil && s.Running():
			s.dead = time.Time{}
		case s.Process != nil && s.dead.IsZero():
			s.dead = time.Now()
		case s.Process == nil || time.Since(s.dead) > time.Second:
			s.dead = time.Time{}
			s.Process = process.Start(c.t, program(s.name), s.vars)
			c.all = append(c.all, s.Process)
		}
	}
}

// run breaks the fleet for a while, leaves it alone, and judges.
func (c *campaign) run(lasts time.Duration) {
	c.load = newLoad(c)
	c.load.start(*campaignSize, lasts)
	c.breakAll(lasts)
	c.load.enough.Store(true)
	process.Until(lasts, func() bool { // a slow machine has not submitted it all
		c.revive()
		return c.load.submitted()
	})
	c.finish()
	if n := len(c.load.accepted); n < *campaignSize {
		c.t.Errorf("%d accepted, want %d at least", n, *campaignSize)
	}
}

// finish leaves the fleet alone until everything has ended, and judges.
func (c *campaign) finish() {
	began := time.Now()
	c.toll.quiet = -1
	quiet := process.Until(quietWithin, func() bool {
		c.revive()
		if !c.load.ended() {
			return false
		}
		none, err := nothingWaits(c.t.Context(), c.js)
		return none && err == nil
	})
	if quiet {
		c.toll.quiet = time.Since(began)
	} else {
		c.t.Errorf("%v after the last fault not all has ended: %s", quietWithin, c.load.unfinished())
	}
	c.load.stop()
	c.judge(quiet)
}

func keyOf(mailbox string, n int) execution.Key {
	return execution.Key{Mailbox: mailbox, ID: fmt.Sprintf("e%06d", n), Generation: 1}
}
