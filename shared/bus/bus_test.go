package bus_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

func TestProvisionIsIdempotent(t *testing.T) {
	t.Parallel()
	s := bustest.Run(t)
	js := s.Connect(t, "test")
	if err := bus.Check(t.Context(), js, s.Config); fault.CodeOf(err) != bus.CodeDrift {
		t.Errorf("Check on an empty server: %v, want %s", err, bus.CodeDrift)
	}
	for range 2 {
		if err := bus.Provision(t.Context(), js, s.Config); err != nil {
			t.Fatal(err)
		}
	}
	changes, err := bus.Diff(t.Context(), js, s.Config.Topology())
	if err != nil || len(changes) > 0 {
		t.Errorf("Diff after Provision = %v, %v", changes, err)
	}
	if err := bus.Check(t.Context(), js, s.Config); err != nil {
		t.Errorf("Check after Provision: %v", err)
	}
}

func TestProvisionRefusesDriftAndNamesIt(t *testing.T) {
	t.Parallel()
	s := bustest.Run(t)
	js := s.Connect(t, "test")
	if err := bus.Provision(t.Context(), js, s.Config); err != nil {
		t.Fatal(err)
	}
	other := s.Config
	other.AckWait, other.EventsMaxAge, other.DeadMaxAge = 7*time.Second, 2*time.Hour, 720*time.Hour
	err := bus.Provision(t.Context(), js, other)
	if fault.CodeOf(err) != bus.CodeDrift || !fault.IsPermanent(err) {
		t.Fatalf("Provision with another configuration: %v, want %s", err, bus.CodeDrift)
	}
	for _, want := range []string{
		"stream EVENTS: max_age: server has 1h0m0s, fleet needs 2h0m0s",
		"stream DEAD: max_age: server has 0s, fleet needs 720h0m0s",
		"consumer EXECUTIONS/fleet: ack_wait: server has 2s, fleet needs 7s",
		"sage admin provision --apply",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
	changes, err := bus.Diff(t.Context(), js, other.Topology())
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	if err := bus.Check(t.Context(), js, other); err != nil {
		t.Errorf("Check after Apply: %v", err)
	}
}

// Who may publish one subject must not be able to harm what others had accepted.
func TestProducersCannotHarmAcceptedWork(t *testing.T) {
	t.Parallel()
	attacks := map[string]func(*nats.Msg){
		"rollup all":     func(m *nats.Msg) { m.Header.Set("Nats-Rollup", "all") },
		"rollup subject": func(m *nats.Msg) { m.Header.Set("Nats-Rollup", "sub") },
		"ttl":            func(m *nats.Msg) { m.Header.Set("Nats-TTL", "1s") },
		"schedule": func(m *nats.Msg) {
			m.Header.Set("Nats-Schedule", "@at "+time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano))
			m.Header.Set("Nats-Schedule-Target", bus.SubjectMailbox("victim"))
		},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := bustest.Start(t)
			accepted := bus.SubjectExec("victim", "e1")
			if _, err := js.Publish(t.Context(), accepted, []byte("accepted")); err != nil {
				t.Fatal(err)
			}
			evil := nats.NewMsg(bus.SubjectMailbox("attacker"))
			evil.Data = []byte("evil")
			attack(evil)
			if _, err := js.PublishMsg(t.Context(), evil); err == nil {
				t.Error("the server took the message")
			}
			time.Sleep(1500 * time.Millisecond) // past the TTL and the schedule
			stream, err := js.Stream(t.Context(), bus.StreamExecutions)
			if err != nil {
				t.Fatal(err)
			}
			if msg, err := stream.GetLastMsgForSubject(t.Context(), accepted); err != nil || string(msg.Data) != "accepted" {
				t.Errorf("the accepted message is gone: %v", err)
			}
			if _, err := stream.GetLastMsgForSubject(t.Context(), bus.SubjectMailbox("victim")); !errors.Is(err, jetstream.ErrMsgNotFound) {
				t.Errorf("another mailbox was reached: %v", err)
			}
			if err := stream.Purge(t.Context()); err == nil {
				t.Error("the stream can be purged")
			}
		})
	}
}

func TestFullQueueRefusesInsteadOfDropping(t *testing.T) {
	t.Parallel()
	s := bustest.Run(t)
	js := s.Connect(t, "test")
	config := s.Config.Topology().Streams[0]
	config.MaxMsgs = 1
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), bus.SubjectMailbox("m"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), bus.SubjectMailbox("m"), nil); err == nil {
		t.Error("a full queue took a message")
	}
}

func TestCheckDurability(t *testing.T) {
	t.Parallel()
	monitored := func(always bool) func(*server.Options) {
		return func(o *server.Options) { o.HTTPHost, o.HTTPPort, o.SyncAlways = "127.0.0.1", -1, always }
	}
	tests := map[string]struct {
		always, hide bool
		declare      bus.Durability
		ok           bool
	}{
		"fast needs nothing":        {declare: bus.Fast, hide: true, ok: true},
		"fsync kept":                {declare: bus.Fsync, always: true, ok: true},
		"fsync broken":              {declare: bus.Fsync},
		"fsync can't be seen":       {declare: bus.Fsync, always: true, hide: true},
		"replicated on one replica": {declare: bus.Replicated, always: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bustest.Run(t, monitored(tt.always))
			js := s.Connect(t, "test")
			cfg := s.Config
			cfg.Durability = tt.declare
			if !tt.hide {
				cfg.MonitorURL = []string{"http://" + s.MonitorAddr().String()}
			}
			err := bus.CheckDurability(t.Context(), js, cfg)
			if tt.ok && err != nil || !tt.ok && fault.CodeOf(err) != bus.CodeDurability {
				t.Errorf("CheckDurability = %v", err)
			}
		})
	}
}

func TestConnectSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	_, err := bus.Connect(ctx, bus.Config{URL: "nats://fleet:s3cret@127.0.0.1:1"}, "test")
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v tells the password", err)
	}
	if fault.CodeOf(err) != bus.CodeUnreachable || !strings.Contains(err.Error(), "NATS_URL") {
		t.Errorf("Connect to nobody: %v", err)
	}
}

func TestParseWork(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		mailbox, id string
		ok          bool
	}{
		bus.SubjectMailbox("ventas"):    {"ventas", "", true},
		bus.SubjectExec("ventas", "e1"): {"ventas", "e1", true},
		bus.SubjectDue("ventas", "e1"):  {"ventas", "e1", true},
		"sage.local.ventas.e1":          {"ventas", "e1", true},
		"sage.exec.":                    {},
		"sage.exec.ventas.e1.x":         {},
		"sage.exec.ven$tas":             {},
		bus.SubjectDead(execution.Key{Mailbox: "m", ID: "e", Generation: 1}): {},
	}
	for subject, tt := range tests {
		mailbox, id, err := bus.ParseWork(subject)
		if tt.ok && (err != nil || mailbox != tt.mailbox || id != tt.id) || !tt.ok && err == nil {
			t.Errorf("ParseWork(%q) = %q, %q, %v", subject, mailbox, id, err)
		}
	}
}

// TestLocksAndRecordsAreWrittenBehind: not on the disk before they count, where there is
// one server. Everything else is, the queue and the events above all.
func TestLocksAndRecordsAreWrittenBehind(t *testing.T) {
	t.Parallel()
	behind := func(cfg bus.Config) (names []string) {
		for _, s := range cfg.Topology().Streams {
			if s.PersistMode != jetstream.DefaultPersistMode {
				names = append(names, s.Name)
			}
		}
		return names
	}
	if got := behind(bus.Config{Replicas: 1}); !slices.Equal(got, []string{"KV_sage_locks", "KV_sage_state"}) {
		t.Errorf("%v are written behind on one server", got)
	}
	if got := behind(bus.Config{Replicas: 3}); got != nil {
		t.Errorf("%v are written behind in three replicas, which the server refuses", got)
	}
}

// A fleet of before has buckets that wait for the disk, as the client's own call makes
// them. It starts, and gets others when somebody asks for them.
func TestABucketThatWaitsForTheDiskIsNoDrift(t *testing.T) {
	t.Parallel()
	s := bustest.Run(t)
	js := s.Connect(t, "test")
	for _, name := range []string{bus.BucketState, bus.BucketBudget} {
		about := map[string]string{bus.BucketState: "Where each execution stands", bus.BucketBudget: "What Lambdas may cost, and who may spend it"}
		if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: name, Description: about[name], History: 1, Replicas: 1,
			Storage: jetstream.FileStorage, LimitMarkerTTL: 5 * time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.Provision(t.Context(), js, s.Config); err != nil {
		t.Fatal(err)
	}
	if err := bus.Check(t.Context(), js, s.Config); err != nil {
		t.Errorf("Check: %v", err)
	}
	changes, err := bus.Diff(t.Context(), js, s.Config.Topology())
	if err != nil || len(changes) != 1 || !changes[0].Anew || !changes[0].Optional {
		t.Fatalf("Diff = %+v, %v; want the bucket of records, as a choice", changes, err)
	}
	if want := `bucket sage_state: persist_mode: server has (unset), fleet needs "async"`; changes[0].String() != want {
		t.Errorf("%q, want %q", changes[0], want)
	}
	if err := bus.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	if changes, err := bus.Diff(t.Context(), js, s.Config.Topology()); err != nil || len(changes) > 0 {
		t.Errorf("after Apply: %v, %v", changes, err)
	}
}

// A queue that somebody made so that it is written behind would lose acknowledged work.
// That is drift; and no change removes a queue.
func TestAQueueThatIsWrittenBehindIsRefused(t *testing.T) {
	t.Parallel()
	s := bustest.Run(t)
	js := s.Connect(t, "test")
	config := s.Config.Topology().Streams[0]
	config.PersistMode = jetstream.AsyncPersistMode
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if err := bus.Provision(t.Context(), js, s.Config); fault.CodeOf(err) != bus.CodeDrift {
		t.Errorf("Provision: %v, want %s", err, bus.CodeDrift)
	}
	if _, err := js.Publish(t.Context(), bus.SubjectMailbox("m"), nil); err != nil {
		t.Fatal(err)
	}
	changes, err := bus.Diff(t.Context(), js, s.Config.Topology())
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Apply(t.Context(), changes); err == nil {
		t.Error("Apply changed what the server can't change")
	}
	stream, err := js.Stream(t.Context(), config.Name)
	if err != nil || stream.CachedInfo().State.Msgs != 1 {
		t.Errorf("the queue was emptied: %v", err)
	}
}
