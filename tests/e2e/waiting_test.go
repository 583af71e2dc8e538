package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/tests/process"
)

// TestThousandInvocations: one bridge waits for a thousand Lambdas at once with little
// memory and next to no work. The Lambdas are one server that answers all together.
func TestThousandInvocations(t *testing.T) {
	t.Parallel()
	const n = 1000
	const maxResident, maxCPU = 120e6, 0.10 // bytes, of a core
	f := newFleet(t, directory(t), nil)
	lambdas := newPatient(t, f)
	bridge := f.startService(t, "bridge", "bridge watches the backlog", map[string]string{
		"LAMBDA_FUNCTION": function, "LAMBDA_ENDPOINT": lambdas.URL, "LAMBDA_TIMEOUT": "2m", "OVERFLOW_CPU": "0", "OVERFLOW_PENDING": "0",
		"BRIDGE_SLOTS": strconv.Itoa(n), "LAMBDA_CONCURRENCY": strconv.Itoa(n), "GOVERNOR_START": "0", "DRAIN": "1s",
	})
	js, err := bus.Open(f.clients)
	if err != nil {
		t.Fatal(err)
	}
	requests := make([]execution.Request, n)
	for i := range requests {
		requests[i] = execution.Request{ID: "w" + strconv.Itoa(i), Mailbox: "ventas", Config: execution.Config{Text: "x"},
			Inputs: []execution.Input{{URI: "file:///x/a.csv", Filename: "a.csv"}}}
	}
	if err := queue.PublishMany(t.Context(), js, requests, nil); err != nil {
		t.Fatal(err)
	}
	process.Eventually(t, time.Minute, "all are waited for", func() bool { return lambdas.waiting.Load() == n })
	const window = 5 * time.Second // each lock is renewed once in it
	time.Sleep(time.Second)        // what the beginning left is done
	before := bridge.CPU(t)
	time.Sleep(window)
	cpu := (bridge.CPU(t) - before).Seconds() / window.Seconds()
	resident := float64(bridge.Resident(t))
	t.Logf("%d at once: %.1f MB resident, %.1f %% of a core", n, resident/1e6, 100*cpu)
	if resident > maxResident || cpu > maxCPU {
		t.Errorf("%.1f MB resident, %.1f %% of a core; at most %.0f MB and %.0f %%", resident/1e6, 100*cpu, maxResident/1e6, 100*maxCPU)
	}
	close(lambdas.answer)
	f.settled(t, time.Minute)
	if lambdas.waiting.Load() != n {
		t.Errorf("invoked %d times", lambdas.waiting.Load())
	}
}

// patient is a Lambda service whose functions commit and answer when they are told to.
type patient struct {
	*httptest.Server
	f       *fleet
	waiting atomic.Int64
	answer  chan struct{}
}

func newPatient(t *testing.T, f *fleet) *patient {
	t.Helper()
	p := &patient{f: f, answer: make(chan struct{})}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := p.serve(w, r); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *patient) serve(w http.ResponseWriter, r *http.Request) error {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	inv, err := execution.DecodeInvocation(payload, "x")
	if err != nil {
		return err
	}
	p.waiting.Add(1)
	<-p.answer
	now := time.Now().UTC()
	o, err := p.f.outcomes.Commit(r.Context(), execution.Outcome{Key: inv.Key(), Kind: execution.Succeeded,
		Attempt: execution.NewAttemptID(inv.Delegation.Token), Number: inv.Delegation.Number, Executor: execution.OnLambda,
		RequestDigest: inv.Digest(), Enqueued: inv.Delegation.Enqueued, Started: now, Finished: now}, nil)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(execution.Reply{StatusCode: http.StatusOK, Outcome: &o})
}
