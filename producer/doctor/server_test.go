package doctor_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer/doctor"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
)

// onServer are the checks that can't be made, or fail, without a server.
var onServer = []string{"nats.server", "nats.topology", "nats.durability", "fleet.workers", "fleet.bridges", "storage"}

func TestServersThatWontDo(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fleet  func(*testing.T) doctor.Fleet
		check  string
		status doctor.Status
		says   string
	}{
		"none": {func(*testing.T) doctor.Fleet { return doctor.Fleet{Bus: bus.Config{URL: "nats://127.0.0.1:1"}} },
			"nats.server", doctor.Fail, "no servers available"},
		"nobody's credentials": {func(t *testing.T) doctor.Fleet {
			s := bustest.Run(t, func(o *server.Options) { o.Authorization = "secret" })
			return doctor.Fleet{Bus: s.Config}
		}, "nats.server", doctor.Fail, "Authorization Violation"},
		"without JetStream": {func(t *testing.T) doctor.Fleet {
			return doctor.Fleet{Bus: bustest.Run(t, func(o *server.Options) { o.JetStream = false }).Config}
		}, "nats.topology", doctor.Fail, "no JetStream"},
		"not set up": {func(t *testing.T) doctor.Fleet { return doctor.Fleet{Bus: bustest.Run(t).Config} },
			"nats.topology", doctor.Fail, "none of its streams"},
		"old": {func(t *testing.T) doctor.Fleet {
			cfg := bustest.Run(t).Config
			cfg.URL = elderly(t, cfg.URL)
			return doctor.Fleet{Bus: cfg}
		}, "nats.server", doctor.Fail, "; expected " + bus.MinServer},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := tt.fleet(t)
			f.As = bus.IdentityOperator
			limits := roomy()
			if name == "none" {
				limits = roomy(func(l *doctor.Limits) { l.Connect = 300 * time.Millisecond })
			}
			want(t, examine(t, f, limits), tt.check, tt.status, tt.says, onServer...)
		})
	}
}

// elderly passes on what a server and its clients say, but for the server's version.
func elderly(t *testing.T, to string) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			real, err := net.Dial("tcp", u.Host) //nolint:noctx // a test's
			if err != nil {
				_ = client.Close()
				return
			}
			go func() { _, _ = io.Copy(real, client); _ = real.Close() }()
			go func() {
				defer func() { _ = client.Close() }()
				said := make([]byte, 64<<10)
				for {
					n, err := real.Read(said)
					// As long as the true one: messages are counted in bytes.
					old := "2.9." + strings.Repeat("9", len(server.VERSION)-len("2.9."))
					if _, err := client.Write(bytes.ReplaceAll(said[:n], []byte(server.VERSION), []byte(old))); err != nil {
						return
					}
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return "nats://" + l.Addr().String()
}

func TestWhatDiffersFromTheFleetsNeeds(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	change := func(name string, f func(*jetstream.StreamConfig)) {
		stream, err := p.js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		cfg := stream.CachedInfo().Config
		f(&cfg)
		if _, err := p.js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	change(bus.StreamEvents, func(c *jetstream.StreamConfig) { c.MaxAge = 2 * time.Hour })
	want(t, examine(t, p.Fleet), "nats.topology", doctor.Fail, "max_age: server has 2h0m0s, fleet needs 1h0m0s")
	if err := p.js.DeleteStream(t.Context(), bus.StreamDecisions); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, p.Fleet), "nats.topology", doctor.Fail, "stream "+bus.StreamDecisions+": missing")
}

func TestWhatWorksSlowly(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	stream, err := p.js.Stream(t.Context(), "KV_"+bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	before := stream.CachedInfo().Config
	before.PersistMode = jetstream.DefaultPersistMode
	if err := p.js.DeleteStream(t.Context(), before.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := p.js.CreateStream(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, p.Fleet), "nats.topology", doctor.Warn, "works, but slower")
}

func TestDurabilityIsLessThanDeclared(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.Bus.Durability = bus.Fsync
	want(t, examine(t, p.Fleet), "nats.durability", doctor.Fail, "can't be checked with 0 monitoring addresses")
}

func TestClocks(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	for ahead, expected := range map[time.Duration]struct {
		status doctor.Status
		says   string
	}{
		time.Minute:  {doctor.Warn, "ahead of"},
		-time.Minute: {doctor.Warn, "behind"},
		time.Hour:    {doctor.Fail, "AWS refuses"},
	} {
		found := examine(t, p.Fleet, doctor.WithClock(func() time.Time { return time.Now().Add(ahead) }))
		want(t, found, "clock", expected.status, expected.says, "storage.clock")
		want(t, found, "storage.clock", expected.status, expected.says, "clock")
	}
}

func TestWhatIsFarAway(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	want(t, examine(t, p.Fleet, roomy(func(l *doctor.Limits) { l.Far = time.Nanosecond })), "nats.server", doctor.Warn, "away")
}

func TestTheQueueIsFull(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	cfg := p.Bus
	cfg.QueueMaxBytes = 10_000
	p.Bus = cfg
	changes, err := bus.Diff(t.Context(), p.js, cfg.Topology())
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.Repeat("x", 800))
	for {
		if _, err := p.js.Publish(t.Context(), bus.SubjectMailbox("ventas"), body); err != nil {
			break
		}
	}
	want(t, examine(t, p.Fleet, roomy(func(l *doctor.Limits) { l.Low = 20 })), "queue", doctor.Warn, "nearly full", "storage.space")
	want(t, examine(t, p.Fleet, roomy(func(l *doctor.Limits) { l.Full = 20 })), "queue", doctor.Fail, "refuses work", "storage.space")
}

func TestNoMoreMayBeInFlight(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.Bus.MaxAckPending = 0
	want(t, examine(t, p.Fleet), "queue", doctor.Warn, "nobody gets more", "nats.topology")
}

func TestWorkWaitsAndNobodyComes(t *testing.T) {
	t.Parallel()
	p := patient{server: bustest.Run(t)}
	p.js = p.server.Connect(t, "test")
	if err := bus.Provision(t.Context(), p.js, p.server.Config); err != nil {
		t.Fatal(err)
	}
	f := doctor.Fleet{Bus: p.server.Config, As: bus.IdentityOperator}
	want(t, examine(t, f), "fleet.workers", doctor.Warn, "none is here", onServer...)
	if _, err := p.js.Publish(t.Context(), bus.SubjectMailbox("ventas"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, f), "fleet.workers", doctor.Fail, "1 executions wait", onServer...)
}

func TestMembersThatNeedALook(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.beat(t, heartbeat.Beat{Kind: heartbeat.KindWorker, Host: "w2", Version: "v2", Worker: &heartbeat.Worker{Slots: 4}})
	p.beat(t, heartbeat.Beat{Kind: heartbeat.KindBridge, Host: "b2", Version: "v1", Bridge: &heartbeat.Bridge{Closed: "the budget is spent"}})
	found := examine(t, p.Fleet)
	want(t, found, "fleet.workers", doctor.Warn, "workers of 2 versions: v1, v2", "fleet.bridges")
	want(t, found, "fleet.bridges", doctor.Warn, "b2 takes nothing: the budget is spent", "fleet.workers")
	want(t, found, "fleet.workers", doctor.OK, "2 here, with 8 slots", "fleet.workers", "fleet.bridges")
}

// A member that dies leaves its last beat, which nobody follows by another.
func TestMembersThatFellSilent(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	kv, err := p.js.KeyValue(t.Context(), bus.BucketFleet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "worker.dead", []byte(`{"kind":"worker","host":"dead","version":"v1","worker":{"slots":4}}`)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(heartbeat.Silence + 100*time.Millisecond)
	want(t, examine(t, p.Fleet), "fleet.workers", doctor.Warn, "worker dead fell silent")
}

// Of what may be lost, a server of a cluster that is gone shows first.
func TestAReplicaIsGone(t *testing.T) {
	t.Parallel()
	cluster := bustest.Servers(t)
	f := doctor.Fleet{Bus: cluster[0].Config, As: bus.IdentityOperator}
	f.Bus.Replicas = 3
	untilFound(t, f, doctor.OK, "3 copies")
	cluster[2].Shutdown()
	untilFound(t, f, doctor.Warn, cluster[2].Name()+" is offline")
}

// untilFound waits until that is said of the replicas, which servers notice in their time.
func untilFound(t *testing.T, f doctor.Fleet, status doctor.Status, says string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		found := examine(t, f)
		for _, one := range found {
			if one.Check == "nats.replicas" && one.Status == status && strings.Contains(one.Found, says) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s with %q in %+v", status, says, found)
		}
	}
}
