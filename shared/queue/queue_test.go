package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ackWait = 2 * time.Second

var slots = queue.Slots{Fleet: 4, Local: 1}

var config = queue.Config{Drain: 5 * time.Second,
	BackoffBase: 20 * time.Millisecond, BackoffCap: 50 * time.Millisecond}

func request(i int) execution.Request {
	return execution.Request{ID: fmt.Sprintf("e%d", i), Mailbox: "ventas", Config: execution.Config{Text: "x"},
		Inputs: []execution.Input{{URI: "u", Filename: "a.csv"}}}
}

func succeed(a execution.Attempt) (execution.Outcome, error) {
	return execution.Outcome{Key: a.Request.Key(), Kind: execution.Succeeded}, nil
}

// run runs a consumer until the test ends, or until the returned function is called.
func run(t *testing.T, c *queue.Consumer, f execution.ExecutorFunc) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, f) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute) // it only ends what never comes
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func backlog(t *testing.T, js jetstream.JetStream) queue.Backlog {
	t.Helper()
	b, err := queue.Lag(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryRequestIsExecutedOnceAndAcknowledged(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	const n = 300
	var mu sync.Mutex
	runs := map[string]int{}
	var running, most atomic.Int32
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		if now := running.Add(1); now > most.Load() {
			most.Store(now)
		}
		defer running.Add(-1)
		time.Sleep(time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		runs[a.Request.ID]++
		return succeed(a)
	})
	var rs []execution.Request
	for i := range n {
		rs = append(rs, request(i))
	}
	var told int
	if err := queue.PublishMany(t.Context(), js, rs, func(done int) { told = done }); err != nil || told != n {
		t.Fatalf("PublishMany: %v, told of %d", err, told)
	}
	eventually(t, "queue empty", func() bool { return backlog(t, js) == queue.Backlog{} })
	mu.Lock()
	defer mu.Unlock()
	for id, count := range runs {
		if count != 1 {
			t.Errorf("%s ran %d times", id, count)
		}
	}
	if len(runs) != n || most.Load() > 4 {
		t.Errorf("%d executions ran, at most %d at once", len(runs), most.Load())
	}
}

// Message ids are the whole stream's: somebody who may publish to another mailbox
// can have used ours.
func TestSquattedMessageIDLosesNothing(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	squat := func(r execution.Request) {
		t.Helper()
		id := r.Key().String() + ":" + r.Digest()[:16]
		if _, err := js.Publish(t.Context(), bus.SubjectExec("attacker", "x"), []byte("{}"), jetstream.WithMsgID(id)); err != nil {
			t.Fatal(err)
		}
	}
	squat(request(1))
	squat(request(2))
	if err := queue.Publish(t.Context(), js, request(1)); err != nil {
		t.Fatal(err)
	}
	if err := queue.PublishMany(t.Context(), js, []execution.Request{request(2)}, nil); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), bus.StreamExecutions)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 2; i++ {
		if _, err := stream.GetLastMsgForSubject(t.Context(), bus.SubjectExec("ventas", request(i).ID)); err != nil {
			t.Errorf("accepted request %d is not on the queue: %v", i, err)
		}
	}
}

// A message that is settled grows by a few headers: the largest one that is
// accepted must still be retried and dead-lettered.
func TestLargestMessageCanBeSettled(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	run(t, queue.NewWorker(js, ackWait, slots, config), func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, nil
	})
	if _, err := js.Publish(t.Context(), bus.SubjectMailbox("ventas"), make([]byte, bus.MaxRequest+1)); err == nil {
		t.Error("a message over the limit was accepted")
	}
	if _, err := js.Publish(t.Context(), bus.SubjectMailbox("ventas"), make([]byte, bus.MaxRequest-200)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "dead letter", func() bool { return backlog(t, js) == queue.Backlog{Dead: 1} })
}

func TestTimeOfAcceptanceIsNotForgedBeyondReason(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	enqueued := make(chan time.Time, 10)
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		enqueued <- a.Enqueued
		return succeed(a)
	})
	for i, forged := range []string{"2025-01-01T00:00:00+24:00", "0001-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "mañana"} {
		msg := nats.NewMsg(bus.SubjectMailbox("ventas"))
		msg.Data = fmt.Appendf(nil, `{"execution_id":"f%d","yaml_config":"x","input_files":[{"uri":"u","filename":"a.csv"}]}`, i)
		msg.Header.Set("Sage-Enqueued", forged)
		sent := time.Now()
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
		if at := <-enqueued; at.Sub(sent).Abs() > time.Minute || at.Location() != time.UTC {
			t.Errorf("Sage-Enqueued %q gives %v", forged, at)
		}
	}
}

// Work that no Lambda can take stays so when it is retried.
func TestRetryOfLocalWorkStaysLocal(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	bridge := queue.NewOverflow(js, ackWait, 4, config)
	run(t, bridge, func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		t.Errorf("the bridge got %s", a.Request.ID)
		return succeed(a)
	})
	bridge.Tap(queue.Opening{MinPending: 1})
	var calls atomic.Int32
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		if n := calls.Add(1); n < 3 {
			return execution.Outcome{}, &execution.RetryError{Number: int(n), Err: errors.New("not yet")}
		}
		return succeed(a)
	})
	if _, err := js.Publish(t.Context(), bus.SubjectLocal("ventas", "e1"),
		[]byte(`{"yaml_config":"x","input_files":[{"uri":"u","filename":"a.csv"}]}`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three attempts", func() bool { return calls.Load() == 3 && backlog(t, js) == queue.Backlog{} })
}

func TestRawPublishGetsAnIDThatRetriesKeep(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	ids := make(chan string, 10)
	enqueued := make(chan time.Time, 10)
	var calls atomic.Int32
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		ids <- a.Request.ID
		enqueued <- a.Enqueued
		if n := calls.Add(1); n < 3 {
			return execution.Outcome{}, &execution.RetryError{Number: int(n), Err: errors.New("not yet")}
		}
		return succeed(a)
	})
	if _, err := js.Publish(t.Context(), bus.SubjectMailbox("ventas"),
		[]byte(`{"yaml_config":"x","input_files":[{"uri":"u","filename":"a.csv"}]}`)); err != nil {
		t.Fatal(err)
	}
	first, at := <-ids, <-enqueued
	for range 2 {
		if id := <-ids; id != first {
			t.Errorf("retry has id %q, first %q", id, first)
		}
		if again := <-enqueued; !again.Equal(at) {
			t.Errorf("retry was enqueued %v, first %v", again, at)
		}
	}
	eventually(t, "queue empty", func() bool { return backlog(t, js) == queue.Backlog{} })
}

func TestWaitingRetriesOccupyNoSlot(t *testing.T) {
	t.Parallel()
	s := bustest.Run(t)
	js := s.Connect(t, "test")
	small := s.Config
	small.MaxAckPending = 5
	if err := bus.Provision(t.Context(), js, small); err != nil {
		t.Fatal(err)
	}
	cfg := config
	cfg.BackoffBase, cfg.BackoffCap = time.Hour, time.Hour
	good := make(chan time.Time, 1)
	run(t, queue.NewWorker(js, ackWait, slots, cfg), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		if a.Request.ID == "e99" {
			good <- time.Now()
			return succeed(a)
		}
		return execution.Outcome{}, &execution.RetryError{Number: 1, Err: errors.New("no")}
	})
	for i := range 10 {
		if err := queue.Publish(t.Context(), js, request(i)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all bad ones wait", func() bool { return backlog(t, js).Later == 10 })
	sent := time.Now()
	if err := queue.Publish(t.Context(), js, request(99)); err != nil {
		t.Fatal(err)
	}
	select {
	case at := <-good:
		if wait := at.Sub(sent); wait > time.Second {
			t.Errorf("the good message waited %v", wait)
		}
	case <-time.After(5 * time.Second):
		t.Error("the good message starves")
	}
}

func TestRefusedMessagesAreKeptAsTheyCame(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, fault.New(execution.CodeConflict, "used\nbefore").Permanent()
	})
	tests := map[string]struct {
		subject, payload string
		code             fault.Code
	}{
		"not JSON":  {bus.SubjectMailbox("ventas"), "\x00\xffhola", execution.CodeRequestJSON},
		"path id":   {bus.SubjectMailbox("ventas"), `{"execution_id":"../../x","yaml_config":"x","input_files":[{"uri":"u","filename":"a"}]}`, execution.CodeID},
		"mailbox":   {bus.SubjectMailbox("ventas"), `{"mailbox":"compras","yaml_config":"x","input_files":[{"uri":"u","filename":"a"}]}`, execution.CodeMailbox},
		"bad token": {"sage.exec.ven$tas", `{}`, execution.CodeMailbox},
		"conflict":  {bus.SubjectMailbox("ventas"), `{"execution_id":"e1","yaml_config":"x","input_files":[{"uri":"u","filename":"a"}]}`, execution.CodeConflict},
	}
	dead, err := js.Stream(t.Context(), bus.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		ack, err := js.Publish(t.Context(), tt.subject, []byte(tt.payload))
		if err != nil {
			t.Fatal(err)
		}
		mailbox := "ventas"
		if name == "bad token" {
			mailbox = "unknown"
		}
		var letter *jetstream.RawStreamMsg
		eventually(t, name+" is a dead letter", func() bool {
			letter, err = dead.GetLastMsgForSubject(t.Context(), bus.SubjectRefused(mailbox, bus.StreamExecutions, ack.Sequence))
			return err == nil
		})
		if string(letter.Data) != tt.payload || letter.Header.Get("Sage-Code") != string(tt.code) ||
			strings.ContainsAny(letter.Header.Get("Sage-Reason"), "\r\n") {
			t.Errorf("%s: %q with %v, want %s", name, letter.Data, letter.Header, tt.code)
		}
	}
	eventually(t, "queue empty", func() bool { b := backlog(t, js); return b.Waiting == 0 && b.InFlight == 0 })
}

func TestDeadExecutionIsDeadLetteredBeforeTheAck(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{Key: a.Request.Key(), Kind: execution.Dead, Number: 3, Fault: fault.New("CONFIG_SYNTAX", "no")}, nil
	})
	if err := queue.Publish(t.Context(), js, request(1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "dead letter and ack", func() bool { return backlog(t, js) == queue.Backlog{Dead: 1} })
	dead, err := js.Stream(t.Context(), bus.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	letter, err := dead.GetLastMsgForSubject(t.Context(), bus.SubjectDead(request(1).Key()))
	if err != nil || letter.Header.Get("Sage-Attempts") != "3" || letter.Header.Get("Sage-Code") != "CONFIG_SYNTAX" {
		t.Errorf("%v, %v", letter, err)
	}
}

func TestLongWorkIsNotDeliveredTwice(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	var calls atomic.Int32
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		calls.Add(1)
		time.Sleep(2*ackWait + ackWait/2)
		return succeed(a)
	})
	if err := queue.Publish(t.Context(), js, request(1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "queue empty", func() bool { return calls.Load() > 0 && backlog(t, js) == queue.Backlog{} })
	if calls.Load() != 1 {
		t.Errorf("ran %d times", calls.Load())
	}
}

func TestDrainFinishesWhatItCanAndHandsBackTheRest(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	cfg := config
	cfg.Drain = 300 * time.Millisecond
	started, finished := make(chan string, 10), make(chan string, 10)
	stop := run(t, queue.NewWorker(js, ackWait, slots, cfg), func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		started <- a.Request.ID
		patience := 100 * time.Millisecond
		if a.Request.ID == "e1" {
			patience = time.Minute
		}
		select {
		case <-time.After(patience):
			finished <- a.Request.ID
			return succeed(a)
		case <-ctx.Done():
			return execution.Outcome{}, context.Cause(ctx)
		}
	})
	for i := range 2 {
		if err := queue.Publish(t.Context(), js, request(i)); err != nil {
			t.Fatal(err)
		}
		<-started
	}
	stop()
	if id := <-finished; id != "e0" {
		t.Errorf("%s finished, want the short one", id)
	}
	again := make(chan time.Time, 1)
	stopped := time.Now()
	run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		if a.Request.ID != "e1" {
			t.Errorf("%s was redone", a.Request.ID)
		}
		again <- time.Now()
		return succeed(a)
	})
	if wait := (<-again).Sub(stopped); wait > ackWait/2 {
		t.Errorf("the handed-back message came after %v, as if it had timed out", wait)
	}
}

// Each consumer waits for the fetch that is under way and begins no other. There
// are several, because one may be lucky.
func TestStopsTakingAtOnce(t *testing.T) {
	t.Parallel()
	const consumers, fetch = 8, time.Second
	js := bustest.Start(t)
	var stops []func()
	for range consumers {
		stops = append(stops, run(t, queue.NewWorker(js, ackWait, slots, config), func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
			return succeed(a)
		}))
	}
	time.Sleep(fetch / 2) // all are fetching
	began := time.Now()
	var stopping sync.WaitGroup
	for _, stop := range stops {
		stopping.Go(stop)
	}
	stopping.Wait()
	if took := time.Since(began); took > fetch+fetch/2 {
		t.Errorf("idle consumers took %v to stop, want at most a fetch of %v", took, fetch)
	}
}

func TestPublishRefusesWhatTheServerWould(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	bad := request(1)
	bad.ID = "../../x"
	if err := queue.Publish(t.Context(), js, bad); fault.CodeOf(err) != execution.CodeID {
		t.Errorf("Publish(%q): %v", bad.ID, err)
	}
	if err := queue.PublishMany(t.Context(), js, []execution.Request{bad, request(2)}, nil); fault.CodeOf(err) != execution.CodeID {
		t.Errorf("PublishMany: %v", err)
	}
	if n := queued(t, js); n != 1 {
		t.Errorf("%d are on the queue, want the good one", n)
	}
}

// Of two generations the older may fail last, when its holder stood still. The
// other's retry must not go with it.
func TestGenerationsDoNotReplaceEachOthersRetries(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	slow := config
	slow.BackoffBase, slow.BackoffCap = time.Hour, time.Hour
	run(t, queue.NewWorker(js, ackWait, slots, slow), func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, &execution.RetryError{Number: 1, Err: errors.New("no")}
	})
	for _, generation := range []int{2, 1} {
		r := request(1)
		r.Generation = generation
		if err := queue.Publish(t.Context(), js, r); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both wait for their time", func() bool { return backlog(t, js) == queue.Backlog{Later: 2} })
}
