package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/mod/semver"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// server is the examination of the NATS server: what later checks need of earlier
// ones.
type server struct {
	*Doctor

	nc  *nats.Conn
	js  jetstream.JetStream
	set bool // up for a fleet: its streams can be looked at
	gap string

	mu      sync.Mutex
	refused context.CancelCauseFunc // ends the request under way
}

func (s *server) close() {
	if s.nc != nil {
		s.nc.Close()
	}
}

// look is a check that asks the server. What this identity may not ask is not looked at:
// whether it should be allowed to, another check tells.
func (s *server) look(check func(context.Context) []Finding) func(context.Context) []Finding {
	return func(ctx context.Context) []Finding {
		if s.nc == nil {
			return []Finding{skip("no server to ask")}
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		s.mu.Lock()
		s.refused = cancel
		s.mu.Unlock()
		found := check(ctx)
		if cause := context.Cause(ctx); errors.Is(cause, nats.ErrPermissionViolation) {
			s.gap = fmt.Sprintf("identity %s may not look: %s", s.nc.Opts.Name, strings.TrimPrefix(cause.Error(), "nats: "))
			return []Finding{skip("%s", s.gap)}
		}
		return found
	}
}

// heed ends what waits for the answer to a request that the server has refused: none
// would come.
func (s *server) heed(_ *nats.Conn, _ *nats.Subscription, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused != nil && errors.Is(err, nats.ErrPermissionViolation) {
		s.refused(err)
	}
}

// inside is look at what only a server has that is set up for a fleet.
func (s *server) inside(check func(context.Context) []Finding) func(context.Context) []Finding {
	return s.look(func(ctx context.Context) []Finding {
		if !s.set {
			return []Finding{skip("%s", s.gap)}
		}
		return check(ctx)
	})
}

// reach connects.
func (s *server) reach(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Connect)
	defer cancel()
	nc, err := bus.Connect(ctx, s.fleet.Bus, s.fleet.As, nats.Timeout(s.limits.Connect/2), nats.ErrorHandler(s.heed))
	if err != nil {
		return Failed(err)
	}
	s.nc = nc
	if s.js, err = bus.Open(nc); err != nil {
		return Failed(err)
	}
	away, err := nc.RTT()
	if err != nil {
		return Failed(fmt.Errorf("ask %s: %w", nc.ConnectedUrlRedacted(), err))
	}
	found := []Finding{ok("%s, nats-server %s, %v away", nc.ConnectedUrlRedacted(), nc.ConnectedServerVersion(), rounded(away))}
	if away > s.limits.Far {
		found = []Finding{warn("run workers and bridges near the server: an execution asks it six times and more",
			"%s is %v away", nc.ConnectedUrlRedacted(), rounded(away))}
	}
	if v := nc.ConnectedServerVersion(); semver.Compare("v"+v, "v"+bus.MinServer) < 0 {
		found = append(found, fail("upgrade the server", "nats-server %s; expected %s or later: retries are scheduled messages", v, bus.MinServer))
	}
	return append(found, s.private()...)
}

// private says whether others can read along.
func (s *server) private() []Finding {
	u, err := url.Parse(s.nc.ConnectedUrl())
	if err != nil {
		return nil
	}
	if host := u.Hostname(); host == "localhost" || net.ParseIP(host).IsLoopback() {
		return nil
	}
	var found []Finding
	if _, err := s.nc.TLSConnectionState(); err != nil {
		found = append(found, warn("give the server a certificate with `sage admin nats-config`, and set NATS_TLS_CA", "the connection isn't encrypted"))
	}
	if !s.nc.AuthRequired() {
		found = append(found, warn("give everybody an NKey with `sage admin nats-config`", "the server takes anyone who reaches it"))
	}
	return found
}

// permissions tries what the identity has to be allowed.
func (s *server) permissions(ctx context.Context) []Finding {
	cfg := s.fleet.Bus
	as := cfg.Identity
	if as == "" {
		as = s.fleet.As
	}
	if !s.nc.AuthRequired() {
		return []Finding{ok("the server takes anyone, and lets everybody do everything")}
	}
	lacks, tried, err := bus.Probe(ctx, cfg, as, s.fleet.Mailbox)
	if err != nil {
		return Failed(err)
	}
	if len(lacks) == 0 {
		return []Finding{ok("identity %s may do all it has to (%d subjects tried)", as, tried)}
	}
	named := make([]string, 0, shown)
	for _, g := range lacks[:min(len(lacks), shown)] {
		named = append(named, fmt.Sprintf("%s (%s)", g.Subject, g.Why))
	}
	f := fail("make the server's configuration anew with `sage admin nats-config` and reload it, or correct NATS_IDENTITY",
		"identity %s may not publish to %s%s", as, strings.Join(named, ", "), rest(len(lacks)))
	f.Code = bus.CodeDenied
	return []Finding{f}
}

// shown is how many of a kind are named.
const shown = 3

func rest(n int) string {
	if n <= shown {
		return ""
	}
	return fmt.Sprintf(" and %d more", n-shown)
}

// topology compares streams, consumers and buckets with what the fleet needs.
func (s *server) topology(ctx context.Context) []Finding {
	changes, err := bus.Diff(ctx, s.js, s.fleet.Bus.Topology())
	if err != nil {
		s.gap = "the server's streams can't be looked at"
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) ||
			errors.Is(err, nats.ErrNoResponders) {
			return Failed(fault.New(CodeNoJetStream, "the NATS server has no JetStream: %w", err).
				Expecting("a server with JetStream").Advise("start it with `nats-server -js`, or enable it for this account"))
		}
		return Failed(err)
	}
	return s.drift(changes)
}

// CodeNoJetStream says that NATS runs, but only passes messages on.
const CodeNoJetStream fault.Code = "JETSTREAM_DISABLED"

func (s *server) drift(changes []bus.Change) []Finding {
	var required, optional []string
	absent := 0
	for _, c := range changes {
		switch {
		case c.Optional:
			optional = append(optional, c.String())
			continue
		case c.Missing:
			absent++
		}
		required = append(required, c.String())
	}
	t := s.fleet.Bus.Topology()
	all := len(t.Streams)
	for _, c := range t.Consumers {
		all += len(c)
	}
	s.set = absent == 0
	s.gap = "the server isn't set up for a fleet"
	switch {
	case absent == all:
		return []Finding{{Status: Fail, Code: bus.CodeDrift, Found: "the server isn't set up for a fleet: it has none of its streams",
			Do: "set it up with `sage admin provision --apply`"}}
	case len(required) > 0:
		return []Finding{{Status: Fail, Code: bus.CodeDrift,
			Found: "the server differs: " + strings.Join(required[:min(len(required), shown)], " | ") + rest(len(required)),
			Do:    "look with `sage admin provision`, change with `sage admin provision --apply`"}}
	case len(optional) > 0:
		return []Finding{warn("read `sage admin provision --help`, then `sage admin provision --apply --anew`",
			"works, but slower than it could: %s", strings.Join(optional, " | "))}
	}
	return []Finding{ok("%d streams, buckets and consumers are as the fleet needs them", all)}
}

// replicas asks whether every copy of every stream is there. One that is behind for a
// moment is nothing: it has to be so on a second look.
func (s *server) replicas(ctx context.Context) []Finding {
	first, err := s.copies(ctx)
	second := first
	if err == nil && len(first.behind) > 0 {
		time.Sleep(time.Second)
		second, err = s.copies(ctx)
	}
	if err != nil {
		return Failed(err)
	}
	var found []Finding
	for _, name := range slices.Sorted(maps.Keys(second.behind)) {
		if first.behind[name] > 0 {
			found = append(found, warn("start it, or look at its log: with one more lost, nothing can be written",
				"server %s is offline or behind with %d streams", name, second.behind[name]))
		}
	}
	switch {
	case len(found) > 0:
		return found
	case second.most == 1:
		return []Finding{ok("one copy of everything, %s: what its disk loses is lost", size(second.bytes))}
	}
	return []Finding{ok("%d copies of everything, %s each, all of them current", second.most, size(second.bytes))}
}

// copies are those of all streams.
type copies struct {
	behind map[string]int // how many streams a server is offline or behind with
	most   int            // of one stream
	bytes  uint64         // of all streams, each once
}

func (s *server) copies(ctx context.Context) (copies, error) {
	c := copies{behind: map[string]int{}}
	for _, want := range s.fleet.Bus.Topology().Streams {
		stream, err := s.js.Stream(ctx, want.Name)
		if err != nil {
			return c, fmt.Errorf("look at stream %s: %w", want.Name, err)
		}
		info := stream.CachedInfo()
		c.most, c.bytes = max(c.most, info.Config.Replicas), c.bytes+info.State.Bytes
		if info.Cluster == nil {
			continue
		}
		for _, peer := range info.Cluster.Replicas {
			if peer.Offline || !peer.Current {
				c.behind[peer.Name]++
			}
		}
	}
	return c, nil
}

// durability compares what is declared with what the servers do.
func (s *server) durability(ctx context.Context) []Finding {
	cfg := s.fleet.Bus
	if err := bus.CheckDurability(ctx, s.js, cfg); err != nil {
		return Failed(err)
	}
	survives := map[bus.Durability]string{bus.Fast: "an end of the server's process, but no power failure",
		bus.Fsync: "a power failure", bus.Replicated: "the loss of one server"}[cfg.Durability]
	return []Finding{ok("%s: what is acknowledged survives %s", cfg.Durability, survives)}
}

// clock compares this machine's clock with the server's.
func (s *server) clock(ctx context.Context) []Finding {
	var ahead time.Duration
	best := time.Duration(-1)
	for range 3 {
		before := s.now()
		stream, err := s.js.Stream(ctx, bus.StreamExecutions)
		if err != nil {
			return Failed(fmt.Errorf("look at stream %s: %w", bus.StreamExecutions, err))
		}
		took := s.now().Sub(before)
		if best < 0 || took < best { // of an answer that took long, the time is least certain
			best, ahead = took, before.Add(took/2).Sub(stream.CachedInfo().TimeStamp)
		}
	}
	return []Finding{s.judgeClock("the NATS server's", ahead, best/2)}
}

// judgeClock judges by how much this machine's clock is ahead of another's.
func (d *Doctor) judgeClock(whose string, ahead, within time.Duration) Finding {
	text := fmt.Sprintf("this machine's clock is %v ahead of %s", rounded(ahead), whose)
	if ahead < 0 {
		text = fmt.Sprintf("this machine's clock is %v behind %s", rounded(-ahead), whose)
	}
	const do = "have every machine's clock set by NTP"
	switch {
	case ahead.Abs() > d.limits.Signature:
		return fail(do, "%s: AWS refuses what is signed so far from its time, and retries come at the wrong time", text)
	case ahead.Abs() > d.limits.Skew+within:
		return warn(do, "%s: retries, deadlines and what is kept go wrong by as much", text)
	}
	return ok("agrees with %s within %v", whose, rounded(max(ahead.Abs(), within)))
}

// size is a number of bytes for people.
func size(n uint64) string {
	const unit = 1000
	value, prefix := float64(n), -1
	for value >= unit && prefix < 4 {
		value, prefix = value/unit, prefix+1
	}
	if prefix < 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGTP"[prefix])
}
