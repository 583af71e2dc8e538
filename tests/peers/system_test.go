package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

// The classes of durability that are compared. Results are fsynced in both; the
// queue's own writes in the second.
var classes = []bus.Durability{bus.Fast, bus.Fsync}

// system is one way to have the job done.
type system struct {
	name    string
	classes []bus.Durability
	// start starts the servers, in processes of their own, with an empty queue.
	start func(t testing.TB, d bus.Durability) queue
}

var systems = []system{
	{"SAGE Fleet", classes, startSage("file")},
	{"SAGE Fleet on S3", []bus.Durability{bus.Fast}, startSage("s3")},
	{"River", classes, startRiver},
	{"asynq", classes, startAsynq},
}

// queue is a system's servers.
type queue interface {
	store() storage.Store // of inputs
	// submit returns when all are accepted.
	submit(t testing.TB, rs []execution.Request)
	work(t testing.TB, w work) *process.Process
	// done is how many the system holds to be done. It fails when one failed.
	done(t testing.TB) int
	// ends is when each was done, of those that work was asked to tell of.
	ends(t testing.TB) map[string]time.Time
	// results is what is kept, by id: how each file did.
	results(t testing.TB) map[string]string
}

// work is how a worker is to work.
type work struct {
	slots int
	tell  bool
	die   bool // with the work done and nothing kept
	vars  map[string]string
}

const variableRole = "PEERS_ROLE"

// roles are the peers' workers.
var roles = map[string]func() error{"river": riverWorker, "asynq": asynqWorker}

// peer is what River and asynq have in common here: workers that are this binary.
type peer struct {
	role    string
	address string
	objects storage.Store
	kept    string // directory of results
	workers []*process.Process
}

func newPeer(t testing.TB, role, address string) peer {
	t.Helper()
	objects, err := storage.Open(t.Context(), "file://"+newDir(t))
	if err != nil {
		t.Fatal(err)
	}
	return peer{role: role, address: address, objects: objects, kept: newDir(t)}
}

func (p *peer) store() storage.Store { return p.objects }

func (p *peer) work(t testing.TB, w work) *process.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{variableRole: p.role, "ADDRESS": p.address, "RESULTS": p.kept, "SLOTS": fmt.Sprint(w.slots)}
	for name, on := range map[string]bool{"TELL": w.tell, "DIE": w.die} {
		if on {
			vars[name] = "1"
		}
	}
	for name, value := range w.vars {
		vars[name] = value
	}
	worker := process.Start(t, self, vars)
	p.workers = append(p.workers, worker)
	return worker
}

func (p *peer) results(t testing.TB) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(p.kept, "*", "e*"))
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]string{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var head resultHead
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&head); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		results[head.ID] = head.summary()
	}
	return results
}

// ends reads the lines of the handlers.
func (p *peer) ends(testing.TB) map[string]time.Time {
	ends := map[string]time.Time{}
	for _, w := range p.workers {
		for line := range strings.Lines(w.Tail(1 << 20)) {
			var id string
			var at int64
			if n, _ := fmt.Sscanf(line, doneFormat, &id, &at); n == 2 {
				ends[id] = time.Unix(0, at)
			}
		}
	}
	return ends
}
