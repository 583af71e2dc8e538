package chaos

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/tests/process"
)

var executions = flag.Int("executions", 3000, "how long a history TestVerifyTakesLittleMemory makes up")

// A check takes no more memory for a long history than for a short one, and finds
// the few violations in it.
func TestVerifyTakesLittleMemory(t *testing.T) {
	if testing.Short() {
		*executions = min(*executions, 1000)
	}
	dir := t.TempDir()
	f := newFleet(t, "file://"+dir)
	began := time.Now()
	f.makeUp(t, dir, *executions)
	made := time.Since(began)

	began = time.Now()
	p := process.Start(t, program("sage"), f.vars, "verify", "--ended", "--json")
	code := p.Exit(t, 20*time.Minute)
	var r history.Report
	said := p.Tail(1 << 20)
	if err := json.Unmarshal([]byte(said[strings.IndexByte(said, '{'):]), &r); err != nil {
		t.Fatalf("%v: %.300s", err, said)
	}
	t.Logf("%d executions, made up in %v: verified in %v, %d MB resident at most", *executions,
		made.Round(time.Second), time.Since(began).Round(time.Millisecond), p.Peak()>>20)
	if code != 1 || r.Accepted != *executions || r.Doubled != 1 || r.Lost != 1 || len(r.Findings) != 2 {
		t.Errorf("exit code %d; %d executions, %d doubled, %d lost: %v", code, r.Accepted, r.Doubled, r.Lost, r.Findings)
	}
	const limit = 200 << 20
	if p.Peak() > limit {
		t.Errorf("it took %d MB", p.Peak()>>20)
	}
}

// makeUp writes n ends and what is told of them: one is told of twice, of one there
// is only what was told.
func (f *fleet) makeUp(t *testing.T, dir string, n int) {
	t.Helper()
	for i := range n {
		k := execution.Key{Mailbox: fmt.Sprintf("m%d", i%50), ID: fmt.Sprintf("e%07d", i), Generation: 1}
		now := time.Now().UTC()
		o := execution.Outcome{Version: execution.OutcomeVersion, Key: k, Kind: execution.Succeeded, Attempt: fmt.Sprintf("%d-A", i),
			Executor: execution.OnWorker, Enqueued: now, Started: now, Finished: now}
		line, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if i != n/2 {
			// Not by the store: to make each durable would take hours.
			file := filepath.Join(dir, filepath.FromSlash(outcome.Path(k)))
			if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, append(line, '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f.tell(t, execution.EventStarted, execution.EventData{Key: k, State: execution.Running, Token: uint64(i)})
		f.tell(t, execution.EventSucceeded, execution.EventData{Key: k, State: o.Kind.Terminal(), Attempt: o.Attempt})
		if i == n/3 {
			f.tell(t, execution.EventSucceeded, execution.EventData{Key: k, State: o.Kind.Terminal(), Attempt: "another"})
		}
	}
	select {
	case <-f.js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		t.Fatal("the server did not answer")
	}
}

func (f *fleet) tell(t *testing.T, kind string, data execution.EventData) {
	t.Helper()
	e, err := json.Marshal(execution.NewEvent(kind, "host", time.Now(), data))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.js.PublishAsync(bus.SubjectEvent(data.Mailbox, kind), e); err != nil {
		t.Fatal(err)
	}
}
