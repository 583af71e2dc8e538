package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/ledger"
)

// Where the projector that is killed writes to, and reads from.
const projectInto, projectFrom = "LEDGER_TEST_INTO", "LEDGER_TEST_FROM"

// TestMain is also that projector.
func TestMain(m *testing.M) {
	if into := os.Getenv(projectInto); into != "" {
		if err := projectUntilKilled(into, os.Getenv(projectFrom)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func projectUntilKilled(into, from string) error {
	ctx := context.Background()
	l, err := ledger.Open(ctx, into)
	if err != nil {
		return err
	}
	nc, err := nats.Connect(from)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return ledger.NewProjector(l, js).Run(ctx)
}

// A projector that is killed again and again while events come leaves what one that
// lived would have, and so does a rebuild.
func testKilled(t *testing.T, url string, living *ledger.Ledger) {
	const kills, before = 6, 2000 // executions that are told before the first kill
	server := bustest.Run(t)
	js := server.Connect(t, "test")
	if err := bus.Provision(t.Context(), js, server.Config); err != nil {
		t.Fatal(err)
	}
	f := fleetOf(t, js)
	l := open(t, url)
	for i := range before {
		kind, id := execution.Succeeded, fmt.Sprintf("e-%04d", i)
		if i%3 == 0 {
			kind = execution.Dead
		}
		publishAsync(t, js, life("ventas", id, noon.Add(time.Duration(i)*time.Second), kind, execution.OnLambda)...)
	}
	var flow sync.WaitGroup
	stop := make(chan struct{})
	flow.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				f.end(t, execution.Key{Mailbox: "ventas", ID: fmt.Sprintf("late-%04d", i), Generation: 1}, execution.Succeeded, execution.OnLambda)
			}
		}
	})
	for range kills {
		at := positionOf(t, l)
		p := exec.Command(os.Args[0])
		p.Env = append(os.Environ(), projectInto+"="+url, projectFrom+"="+server.Config.URL)
		p.Stderr = os.Stderr
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the projector goes on", func() bool { return positionOf(t, l) > at })
		time.Sleep(rand.N(30 * time.Millisecond)) // into what it writes next
		if err := p.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = p.Wait() // it was killed
	}
	close(stop)
	flow.Wait()
	last := lastEvent(t, js)
	if at := positionOf(t, l); at >= last {
		t.Errorf("it had read all %d events before the last kill", last)
	}

	for _, ledger := range []*ledger.Ledger{l, living} {
		p := project(t, ledger, js)
		eventually(t, "all is read", func() bool { return p.Progress().Sequence == last })
	}
	want := dump(t, living)
	if len(want) < 4*before {
		t.Fatalf("only %d rows", len(want))
	}
	if diff := cmp.Diff(want, dump(t, l)); diff != "" {
		t.Errorf("the killed one's differs (-want +got):\n%.2000s", diff)
	}
	rebuild(t, l, f, ledger.RebuildOptions{Forget: true})
	if diff := cmp.Diff(want, dump(t, l)); diff != "" {
		t.Errorf("the rebuilt one differs (-want +got):\n%.2000s", diff)
	}
}

// publishAsync publishes without waiting for each.
func publishAsync(t *testing.T, js jetstream.JetStream, events ...execution.Event) {
	t.Helper()
	for _, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.PublishAsync(bus.SubjectEvent(e.Data.Mailbox, execution.EventStarted), data); err != nil {
			t.Fatal(err)
		}
	}
}

func lastEvent(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(30 * time.Second):
		t.Fatal("events are not confirmed")
	}
	stream, err := js.Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.LastSeq
}

func positionOf(t *testing.T, l *ledger.Ledger) uint64 {
	t.Helper()
	rows, err := l.Rows(t.Context(), "SELECT seq FROM position")
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		return 0
	}
	at, err := strconv.ParseUint(rows[0][0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func dump(t *testing.T, l *ledger.Ledger) []string {
	t.Helper()
	all, err := l.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}
