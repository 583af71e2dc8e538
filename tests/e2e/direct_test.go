package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/tests/process"
)

// invoke asks the Lambda directly, as anyone with the right to may.
func invoke(t testing.TB, service *lambdalocal.Service, payload any) execution.Reply {
	t.Helper()
	data, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(service.URL()+"/2015-03-31/functions/"+function+"/invocations", "application/json", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var reply execution.Reply
	if failed := response.Header.Get("X-Amz-Function-Error"); failed != "" || json.Unmarshal(body, &reply) != nil {
		t.Fatalf("status %d, function error %q: %s", response.StatusCode, failed, body)
	}
	return reply
}

// founding is a payload with the founding document's three names and no more.
type founding struct {
	ID     string            `json:"execution_id"`
	Config string            `json:"yaml_config"`
	Inputs []execution.Input `json:"input_files"`
}

// direct stores a file and returns the payload that has it processed.
func (f *fleet) direct(t testing.TB, id string) founding {
	t.Helper()
	r, err := producer.New(nil, f.objects).Store(t.Context(), submission("lambda", id, orders(20, 3)))
	if err != nil {
		t.Fatal(err)
	}
	return founding{id, string(pedidos), []execution.Input{{URI: r.Inputs[0].URI, Filename: r.Inputs[0].Filename}}}
}

// TestDirectInvocation: locked, processed, answered, recorded and released.
func TestDirectInvocation(t *testing.T) {
	t.Parallel()
	f := newFleet(t, directory(t), map[string]string{"LAMBDA_GUARDED": "true"})
	service := f.startLambdaWith(t, lambdalocal.Config{}, nil)
	payload := f.direct(t, "d1")
	first := invoke(t, service, payload)
	if first.StatusCode != 200 || first.Outcome == nil || first.Outcome.Summary == nil || first.Outcome.Summary.Errors != 3 || first.Outcome.Executor != execution.OnLambda {
		t.Fatalf("answered %+v", first)
	}
	if again := invoke(t, service, payload); again.StatusCode != 200 || again.Outcome.Attempt != first.Outcome.Attempt {
		t.Errorf("answered %+v the second time", again)
	}
	if token := execution.AttemptToken(first.Outcome.Attempt); token == 0 {
		t.Error("it held no lock")
	}
	f.recorded(t, "lambda", "d1")
}

// recorded waits until the record says that an execution succeeded.
func (f *fleet) recorded(t testing.TB, mailbox, id string) {
	t.Helper()
	kv, err := f.js.KeyValue(t.Context(), bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	process.Eventually(t, 10*time.Second, "the record of "+id, func() bool {
		r, _, err := state.New(f.js, kv, time.Hour).Load(t.Context(), execution.Key{Mailbox: mailbox, ID: id, Generation: 1})
		return err == nil && r.State == execution.State(execution.Succeeded)
	})
}

// TestDirectInvocationInProgress: of two that ask for the same at once, one is told that
// the other is at it.
func TestDirectInvocationInProgress(t *testing.T) {
	t.Parallel()
	f := newFleet(t, directory(t), map[string]string{"LAMBDA_GUARDED": "true"})
	service := f.startLambdaWith(t, lambdalocal.Config{}, map[string]string{"ENGINE": "exec", "ENGINE_COMMAND": `["sh","-c","sleep 3","{config}","{data}"]`, "PATH": os.Getenv("PATH")})
	payload := f.direct(t, "d1")
	var replies [2]execution.Reply
	var working sync.WaitGroup
	for i := range replies {
		working.Go(func() { replies[i] = invoke(t, service, payload) })
	}
	working.Wait()
	slices.SortFunc(replies[:], func(a, b execution.Reply) int { return a.StatusCode - b.StatusCode })
	if replies[0].StatusCode != 200 || replies[1].StatusCode != 409 || replies[1].Body != "Execution already in progress" {
		t.Errorf("two at once are answered %+v", replies)
	}
}

// TestDirectInvocationWithoutNATS: there is no lock to be had, and an outcome all the
// same.
func TestDirectInvocationWithoutNATS(t *testing.T) {
	t.Parallel()
	f := prepareFleet(t, secure(t), "nats://127.0.0.1:1", directory(t), map[string]string{"LAMBDA_GUARDED": "true"})
	service := f.startLambdaWith(t, lambdalocal.Config{}, nil)
	reply := invoke(t, service, f.direct(t, "d1"))
	if reply.StatusCode != 200 || reply.Outcome.Kind != execution.Succeeded || execution.AttemptToken(reply.Outcome.Attempt) != 0 {
		t.Errorf("answered %+v", reply)
	}
}

// TestOutOfTime: the function says that it ran out of time, before the platform ends it.
func TestOutOfTime(t *testing.T) {
	t.Parallel()
	f := prepareFleet(t, secure(t), "nats://127.0.0.1:1", directory(t), nil)
	service := f.startLambdaWith(t, lambdalocal.Config{Timeout: 4 * time.Second},
		map[string]string{"ENGINE": "exec", "ENGINE_COMMAND": `["sh","-c","sleep 60","{config}","{data}"]`, "PATH": os.Getenv("PATH")})
	reply := invoke(t, service, f.direct(t, "d1"))
	if reply.StatusCode != 500 || !strings.Contains(reply.Body, "LAMBDA_OUT_OF_TIME") {
		t.Errorf("answered %+v", reply)
	}
	// The environment goes on: nothing was killed.
	if again := invoke(t, service, founding{ID: "x"}); again.StatusCode != 400 || service.Stats().ColdStarts != 1 {
		t.Errorf("answered %+v after %+v", again, service.Stats())
	}
}

// TestThaw: while an environment is frozen, its connection is forgotten on the way, as
// by a NAT gateway: nothing comes back any more. The next invocation is guarded all
// the same, at once.
func TestThaw(t *testing.T) {
	t.Parallel()
	f := newFleet(t, directory(t), map[string]string{"LAMBDA_GUARDED": "true"})
	gateway := startGateway(t, f.cfg.URL)
	service := f.startLambdaWith(t, lambdalocal.Config{}, map[string]string{"NATS_URL": gateway.url})
	if reply := invoke(t, service, f.direct(t, "before")); reply.StatusCode != 200 {
		t.Fatalf("answered %+v", reply)
	}
	gateway.forget()
	time.Sleep(1500 * time.Millisecond) // frozen
	began := time.Now()
	reply := invoke(t, service, f.direct(t, "after"))
	if reply.StatusCode != 200 || execution.AttemptToken(reply.Outcome.Attempt) == 0 {
		t.Errorf("answered %+v after %v", reply, time.Since(began))
	}
	f.recorded(t, "lambda", "after")
}

// gateway passes connections on until it forgets them: they stay open, and silent.
type gateway struct {
	url     string
	current atomic.Int64 // connections of an older epoch are forgotten
}

func (g *gateway) forget() { g.current.Add(1) }

func startGateway(t testing.TB, to string) *gateway {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	scheme, address, _ := strings.Cut(to, "://")
	g := &gateway{url: scheme + "://" + listener.Addr().String()}
	var passing sync.WaitGroup
	stop := make(chan struct{})
	passing.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", address)
			if err != nil {
				_ = client.Close()
				continue
			}
			epoch := g.current.Load()
			passing.Go(func() { g.pass(server, client, epoch) })
			passing.Go(func() { g.pass(client, server, epoch) })
			passing.Go(func() { <-stop; _ = client.Close(); _ = server.Close() })
		}
	})
	t.Cleanup(func() {
		close(stop)
		_ = listener.Close()
		passing.Wait()
	})
	return g
}

// pass copies until the end, and swallows what comes once it is forgotten.
func (g *gateway) pass(to, from net.Conn, epoch int64) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			if g.current.Load() == epoch {
				_ = to.Close()
			}
			return
		}
		if g.current.Load() == epoch {
			_, _ = to.Write(buf[:n])
		}
	}
}
