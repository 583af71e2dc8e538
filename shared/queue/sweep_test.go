package queue_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// idle says that nobody is at any execution but e2.
func idle(_ context.Context, k execution.Key) (bool, error) { return k.ID == "e2", nil }

func sweep(t *testing.T, s *queue.Sweeper) []string {
	t.Helper()
	moved, err := s.Sweep(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	return moved
}

// hold takes n messages from the fleet's consumer and keeps them.
func hold(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	consumer, err := js.Consumer(t.Context(), bus.StreamExecutions, bus.ConsumerFleet)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := consumer.Fetch(n, jetstream.FetchPriorityGroup(bus.GroupFleet))
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for range batch.Messages() {
		got++
	}
	if got != n || batch.Error() != nil {
		t.Fatalf("%d of %d messages, %v", got, n, batch.Error())
	}
}

// maxDeliver changes what topology never says, as an operator might.
func maxDeliver(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	stream, err := js.Stream(t.Context(), bus.StreamExecutions)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.Consumer(t.Context(), bus.ConsumerFleet)
	if err != nil {
		t.Fatal(err)
	}
	cfg := consumer.CachedInfo().Config
	cfg.MaxDeliver, cfg.AckWait = n, time.Second
	if _, err := stream.UpdateConsumer(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

func submit(t *testing.T, js jetstream.JetStream, numbers ...int) {
	t.Helper()
	for _, i := range numbers {
		if err := queue.Publish(t.Context(), js, request(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// With deliveries bounded for a while, the server gives a message up: it stays in
// the stream, and no consumer is handed it again.
func TestSweeperMovesWhatTheServerGaveUp(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	maxDeliver(t, js, 1)
	submit(t, js, 0, 1)
	hold(t, js, 2)
	inFlight := func() int { return backlog(t, js).InFlight }
	eventually(t, "the server gives them up", func() bool { return inFlight() == 0 })
	maxDeliver(t, js, -1)
	if moved := sweep(t, queue.NewSweeper(js, 0, idle)); moved != nil { // nothing is in flight: an acknowledgement may be
		t.Errorf("moved %q on the first sight", moved)
	}
	submit(t, js, 2, 3)
	hold(t, js, 1) // in flight, and behind it one that waits

	s := queue.NewSweeper(js, 0, idle)
	if moved := sweep(t, s); moved != nil {
		t.Errorf("moved %q on the first sight", moved)
	}
	if moved := sweep(t, s); !slices.Equal(moved, []string{"sage.exec.ventas.e0", "sage.exec.ventas.e1"}) {
		t.Errorf("moved %q", moved)
	}
	if moved := append(sweep(t, s), sweep(t, s)...); moved != nil {
		t.Errorf("moved %q again", moved)
	}
	ran := make(chan string, 10)
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		ran <- a.Request.ID
		return succeed(a)
	})
	eventually(t, "queue empty", func() bool { return backlog(t, js) == queue.Backlog{} })
	close(ran)
	var ids []string
	for id := range ran {
		ids = append(ids, id)
	}
	if slices.Sort(ids); !slices.Equal(ids, []string{"e0", "e1", "e2", "e3"}) {
		t.Errorf("ran %q", ids)
	}
}

// A consumer that is made anew is handed everything that is there: nothing to sweep.
func TestNothingStrandsWhenAConsumerIsMadeAnew(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	submit(t, js, 0, 1)
	hold(t, js, 1)
	stream, err := js.Stream(t.Context(), bus.StreamExecutions)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.Consumer(t.Context(), bus.ConsumerFleet)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteConsumer(t.Context(), bus.ConsumerFleet); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.CreateConsumer(t.Context(), consumer.CachedInfo().Config); err != nil {
		t.Fatal(err)
	}
	s := queue.NewSweeper(js, 0, idle)
	if moved := append(sweep(t, s), sweep(t, s)...); moved != nil {
		t.Errorf("moved %q", moved)
	}
	if b := backlog(t, js); b.Waiting != 2 {
		t.Errorf("%+v, want both to wait", b)
	}
}

// later puts a retry of request i into LATER that is due at a time.
func later(t *testing.T, js jetstream.JetStream, i int, at time.Time) {
	t.Helper()
	msg := nats.NewMsg(bus.SubjectLater(request(i).Key()))
	msg.Data = []byte(`{"yaml_config":"x","input_files":[{"uri":"u","filename":"a.csv"}]}`)
	msg.Header.Set("Nats-Schedule", "@at "+at.UTC().Format(time.RFC3339Nano))
	msg.Header.Set("Nats-Schedule-Target", bus.SubjectDue("ventas", request(i).ID))
	msg.Header.Set("Sage-Move", nats.NewInbox())
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

// Bytes written over a schedule stop it for good, and no consumer looks at it.
func TestSweeperMovesScheduleThatWasWrittenOver(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	later(t, js, 0, time.Now().Add(200*time.Millisecond))
	later(t, js, 1, time.Now().Add(time.Hour))
	if _, err := js.Publish(t.Context(), bus.SubjectLater(request(0).Key()), []byte("+ACK")); err != nil {
		t.Fatal(err)
	}
	s := queue.NewSweeper(js, 500*time.Millisecond, idle)
	if moved := sweep(t, s); moved != nil {
		t.Errorf("moved %q before its time", moved)
	}
	time.Sleep(time.Second)
	if b := backlog(t, js); b.Later != 3 || b.Waiting != 0 {
		t.Fatalf("%+v: the schedule fired, so this proves nothing", b)
	}
	if moved := sweep(t, s); len(moved) != 2 {
		t.Errorf("moved %q", moved)
	}
	if b := backlog(t, js); b != (queue.Backlog{Waiting: 1, Later: 1, Dead: 1}) {
		t.Errorf("%+v, want the request on the queue, the bytes refused, the other one left", b)
	}
	if _, found, err := queue.Find(t.Context(), js, request(0).Key()); !found || err != nil {
		t.Errorf("not on the queue: %v", err)
	}
}

// Only workers move what is due. Without one the bridge would never see a retry.
func TestSweeperMovesDueRetriesWhenNoWorkerRuns(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	for i := range 3 {
		later(t, js, i, time.Now())
	}
	dueNow := func() bool {
		consumer, err := js.Consumer(t.Context(), bus.StreamLater, bus.ConsumerDue)
		return err == nil && consumer.CachedInfo().NumPending == 3
	}
	eventually(t, "all are due", dueNow)
	one, other := queue.NewSweeper(js, 0, idle), queue.NewSweeper(js, 0, idle)
	errs := make(chan error, 2)
	for _, s := range []*queue.Sweeper{one, other} { // two at once
		go func() {
			_, err := s.Sweep(t.Context(), 100)
			errs <- err
		}()
	}
	if err := errors.Join(<-errs, <-errs); err != nil {
		t.Fatal(err)
	}
	if b := backlog(t, js); b != (queue.Backlog{Waiting: 3}) {
		t.Errorf("%+v, want each once on the queue", b)
	}
}

// A sweep goes on where the one before ended.
func TestSweepIsBounded(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	for i := range 5 {
		later(t, js, i, time.Now().Add(time.Hour))
	}
	if _, err := js.Publish(t.Context(), bus.SubjectLater(request(9).Key()), []byte("?")); err != nil {
		t.Fatal(err)
	}
	s := queue.NewSweeper(js, 0, idle)
	for i, want := range []int{0, 0, 1} {
		if moved, err := s.Sweep(t.Context(), 2); err != nil || len(moved) != want {
			t.Errorf("sweep %d moved %q, %v", i, moved, err)
		}
	}
}
