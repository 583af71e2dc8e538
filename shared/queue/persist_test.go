package queue_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// Nobody answers for a stream without a leader, longer than the client's own
// repetitions last.
func TestPublishWaitsForALeader(t *testing.T) {
	t.Parallel()
	s := bustest.Run(t)
	js := s.Connect(t, "test")
	done := make(chan error, 1)
	go func() { done <- queue.Publish(t.Context(), js, request(1)) }()
	time.Sleep(time.Second)
	if err := bus.Provision(t.Context(), js, s.Config); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := queued(t, js); n != 1 {
		t.Errorf("%d are on the queue, want 1", n)
	}
}

func TestPublishGivesUp(t *testing.T) {
	t.Parallel()
	js := bustest.Run(t).Connect(t, "test") // not provisioned
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := queue.Publish(ctx, js, request(1)); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("with a context that ends: %v", err)
	}
	began := time.Now()
	if err := queue.Publish(t.Context(), js, request(1)); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("without a stream: %v", err)
	}
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("gave up after %v", took)
	}
}

// A request whose answer was lost is on the queue once, though it is sent twice.
func TestPublishRepeatedIsQueuedOnce(t *testing.T) {
	t.Parallel()
	s := bustest.Run(t)
	js := s.Connect(t, "test")
	if err := bus.Provision(t.Context(), js, s.Config); err != nil {
		t.Fatal(err)
	}
	var deaf atomic.Bool
	through := s
	through.Config.URL = deafProxy(t, s.Config.URL, &deaf)
	far := through.Connect(t, "far")
	deaf.Store(true)
	time.AfterFunc(500*time.Millisecond, func() { deaf.Store(false) })
	if err := queue.Publish(t.Context(), far, request(1)); err != nil {
		t.Fatal(err)
	}
	if n := queued(t, js); n != 1 {
		t.Errorf("%d are on the queue, want 1", n)
	}
}

// queued is how many messages the stream has: what its consumers say comes later.
func queued(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), bus.StreamExecutions)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

// deafProxy passes a connection on to the server at target, but for what the server
// says while deaf.
func deafProxy(t *testing.T, target string, deaf *atomic.Bool) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", to.Host)
		if err != nil {
			_ = near.Close()
			return
		}
		go func() {
			_, _ = io.Copy(far, near)
			_ = far.Close()
		}()
		for buf := make([]byte, 64<<10); ; {
			n, err := far.Read(buf)
			if err == nil && !deaf.Load() {
				_, err = near.Write(buf[:n])
			}
			if err != nil {
				_ = near.Close()
				return
			}
		}
	}()
	return "nats://" + listener.Addr().String()
}
