package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/tests/process"
)

// cluster is one nats-server, or several that replicate.
type cluster struct {
	t     testing.TB
	nodes []*node
}

// node is a server that is started again on its port, and with its files, when it
// has ended.
type node struct {
	*process.Process
	port int
	args []string
	back time.Time // not before this
}

func startCluster(t testing.TB, size int) *cluster {
	t.Helper()
	c := &cluster{t: t}
	name := "chaos-" + nats.NewInbox()[len(nats.InboxPrefix):]
	var routes []string
	for range size {
		routes = append(routes, "nats://127.0.0.1:"+strconv.Itoa(freePort(t)))
	}
	for i := range size {
		n := &node{port: freePort(t)}
		n.args = []string{"--name", fmt.Sprintf("%s-%d", name, i), "--addr", "127.0.0.1", "--port", strconv.Itoa(n.port),
			"--jetstream", "--store_dir", t.TempDir()}
		if size > 1 {
			n.args = append(n.args, "--cluster_name", name, "--cluster", routes[i], "--routes", strings.Join(routes, ","),
				"--no_advertise") // clients would go around the proxies
		}
		c.nodes = append(c.nodes, n)
	}
	c.revive()
	return c
}

// freePort returns a port below those that the system gives out by itself: a server
// must find it free when it comes back.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// revive starts the servers that have ended and may come back.
func (c *cluster) revive() {
	for _, n := range c.nodes {
		if (n.Process == nil || !n.Running()) && time.Now().After(n.back) {
			n.Process = process.Start(c.t, program("nats-server"), nil, n.args...)
		}
	}
}

// end ends a server, which comes back after a while.
func (n *node) end(sig syscall.Signal, away time.Duration) {
	n.back = time.Now().Add(away)
	n.Send(sig)
}

// urls are the servers' own, for clients that nothing is in the way of.
func (c *cluster) urls() string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, "nats://127.0.0.1:"+strconv.Itoa(n.port))
	}
	return strings.Join(all, ",")
}

// connect waits until the servers are there and everything is provisioned.
func (c *cluster) connect(cfg bus.Config) (nc *nats.Conn, ready bool) {
	c.t.Helper()
	cfg.URL = c.urls()
	nc, err := bus.Connect(c.t.Context(), cfg, "test")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(nc.Close)
	if !strings.HasPrefix(nc.ConnectedServerName(), c.nodes[0].args[1][:len("chaos-")+8]) {
		c.t.Fatalf("connected to %s, which is not ours", nc.ConnectedServerName())
	}
	js, err := bus.Open(nc)
	if err != nil {
		c.t.Fatal(err)
	}
	return nc, process.Until(time.Minute, func() bool {
		ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
		defer cancel()
		err = bus.Provision(ctx, js, cfg)
		return err == nil
	})
}

// stepDown has the leader of a stream or, named stream.consumer, of a consumer make
// way for another.
func stepDown(nc *nats.Conn, of string) error {
	kind := "STREAM"
	if strings.Contains(of, ".") {
		kind = "CONSUMER"
	}
	reply, err := nc.Request("$JS.API."+kind+".LEADER.STEPDOWN."+of, nil, 5*time.Second)
	if err == nil && !strings.Contains(string(reply.Data), `"success":true`) {
		err = fmt.Errorf("step down %s: %s", of, reply.Data)
	}
	return err
}

// leaders are what has one, as stepDown names it.
var leaders = []string{
	bus.StreamExecutions, bus.StreamLater, bus.StreamEvents, bus.StreamDead, "KV_" + bus.BucketLocks, "KV_" + bus.BucketState,
	bus.StreamExecutions + "." + bus.ConsumerFleet, bus.StreamExecutions + "." + bus.ConsumerLocal,
	bus.StreamLater + "." + bus.ConsumerDue,
}
