package peers

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/outcome"
	fleet "github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

// sage is the fleet: a nats-server, workers as they are shipped.
type sage struct {
	url, location string
	ackWait       time.Duration
	nc            *nats.Conn
	js            jetstream.JetStream
	objects       storage.Store
	accepted      int

	mu   sync.Mutex
	told map[string]time.Time
}

func startSage(store string) func(testing.TB, bus.Durability) queue {
	return func(t testing.TB, d bus.Durability) queue { return newSage(t, d, store, 30*time.Second) }
}

func newSage(t testing.TB, d bus.Durability, store string, ackWait time.Duration) *sage {
	t.Helper()
	dir := newDir(t)
	var args []string
	if d == bus.Fsync {
		config := filepath.Join(dir, "nats.conf")
		if err := os.WriteFile(config, []byte("jetstream { sync_interval: always }\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = []string{"--config", config}
	}
	server := process.StartServer(t, base, dir, process.AnyPort, args...)
	s := &sage{url: server.URL, location: "file://" + newDir(t), ackWait: ackWait, told: map[string]time.Time{}}
	if store == "s3" {
		_, s.location = process.StartS3(t)
	}
	cfg, err := settings.Parse[bus.Config](map[string]string{"NATS_URL": s.url, "QUEUE_ACK_WAIT": ackWait.String()})
	if err != nil {
		t.Fatal(err)
	}
	s.nc, s.js = server.Connect(t, cfg)
	if err := bus.Provision(t.Context(), s.js, cfg); err != nil {
		t.Fatal(err)
	}
	if s.objects, err = storage.Open(t.Context(), s.location); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sage) store() storage.Store { return s.objects }

func (s *sage) submit(t testing.TB, rs []execution.Request) {
	t.Helper()
	if err := fleet.PublishMany(t.Context(), s.js, rs, nil); err != nil {
		t.Fatal(err)
	}
	s.accepted += len(rs)
}

func (s *sage) work(t testing.TB, w work) *process.Process {
	t.Helper()
	vars := map[string]string{"NATS_URL": s.url, "STORAGE_URL": s.location, "QUEUE_ACK_WAIT": s.ackWait.String(),
		"SLOTS": fmt.Sprint(w.slots), "SCRATCH_DIR": newDir(t)}
	for name, value := range process.AWSVariables {
		vars[name] = value
	}
	binary := filepath.Join(base, "worker")
	if w.die {
		binary = filepath.Join(base, "killed", "worker")
		vars["SAGE_FAILPOINT"] = string(failpoint.Worked)
	}
	if w.tell {
		s.listen(t)
	}
	return process.Start(t, binary, vars)
}

// listen notes when an execution's end is told: then its outcome stands and is
// recorded.
func (s *sage) listen(t testing.TB) {
	t.Helper()
	_, err := s.nc.Subscribe(bus.SubjectEvent(mailbox, execution.EventSucceeded), func(m *nats.Msg) {
		at := time.Now()
		var e execution.Event
		if json.Unmarshal(m.Data, &e) != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told[e.Data.ID] = at
	})
	if err == nil {
		err = s.nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// done counts what has left the queue: it was acknowledged.
func (s *sage) done(t testing.TB) int {
	t.Helper()
	b, err := fleet.Lag(t.Context(), s.js)
	if err != nil {
		t.Fatal(err)
	}
	if b.Later > 0 || b.Dead > 0 {
		t.Fatalf("executions failed: %+v", b)
	}
	return s.accepted - int(b.Waiting) - int(b.Local) - b.InFlight
}

func (s *sage) ends(testing.TB) map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.told)
}

func (s *sage) results(t testing.TB) map[string]string {
	t.Helper()
	results := map[string]string{}
	for o, err := range outcome.New(s.objects).All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		head := resultHead{ID: o.ID}
		if o.Summary != nil {
			head.Status, head.Records = o.Summary.Status, o.Summary.Records
		}
		for _, f := range o.Files {
			head.Files = append(head.Files, resultFile{Name: f.Name})
		}
		results[o.ID] = head.summary()
	}
	return results
}
