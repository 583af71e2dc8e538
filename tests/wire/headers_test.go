package wire_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// stored is a message as a stream holds it.
type stored struct {
	Subject string      `json:"subject"`
	Header  nats.Header `json:"header"`
	Data    string      `json:"data"`
}

// TestMessagesOnStreams shows what stands on the streams after a submission, a
// failed attempt, a dead execution and a message that is none, for whoever reads
// them with another client.
func TestMessagesOnStreams(t *testing.T) {
	js := bustest.Start(t)
	request := func(id string) execution.Request {
		return execution.Request{ID: id, Mailbox: "ventas", Config: execution.Config{Text: "x"},
			Inputs: []execution.Input{{URI: "s3://entradas/a.csv", Filename: "a.csv"}},
			Trace:  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	}
	retried, dead := request("retried"), request("dead")
	for _, r := range []execution.Request{retried, dead} {
		if err := queue.Publish(t.Context(), js, r); err != nil {
			t.Fatal(err)
		}
	}
	compare(t, "stream-submitted", last(t, js, bus.StreamExecutions, bus.SubjectExec(dead.Mailbox, dead.ID)))
	if _, err := js.Publish(t.Context(), bus.SubjectMailbox("ventas"), []byte("hola")); err != nil {
		t.Fatal(err)
	}

	consume(t, js, func(_ context.Context, a execution.Attempt) (execution.Outcome, error) {
		if a.Request.ID == retried.ID {
			return execution.Outcome{}, &execution.RetryError{Number: 1, Err: errors.New("storage is down")}
		}
		cause := fault.New("CONFIG_SYNTAX", "a tab\tand a line\nbreak").At("sage.yaml", 7, 12).Permanent()
		return execution.Outcome{Key: a.Request.Key(), Kind: execution.Dead, Number: 2, Fault: cause}, nil
	})
	compare(t, "stream-later", last(t, js, bus.StreamLater, bus.SubjectLater(retried.Key())))
	compare(t, "stream-dead", last(t, js, bus.StreamDead, bus.SubjectDead(dead.Key())))
	compare(t, "stream-refused", last(t, js, bus.StreamDead, bus.SubjectRefused("ventas", bus.StreamExecutions, 3)))
}

// consume runs a worker's consumer until the test ends. Its retries are due long
// after that.
func consume(t *testing.T, js jetstream.JetStream, next execution.ExecutorFunc) {
	t.Helper()
	c := queue.NewWorker(js, 2*time.Second, queue.Slots{Fleet: 1, Local: 1}, queue.Config{Drain: time.Second,
		BackoffBase: 1000 * time.Hour, BackoffCap: 1000 * time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, next) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// last waits for the message on subject.
func last(t *testing.T, js jetstream.JetStream, stream, subject string) stored {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		msg, err := s.GetLastMsgForSubject(t.Context(), subject)
		if err == nil {
			return stored{msg.Subject, normal(msg.Header), string(msg.Data)}
		}
		if !errors.Is(err, jetstream.ErrMsgNotFound) || time.Now().After(deadline) {
			t.Fatalf("%s on %s: %v", subject, stream, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// normal drops what the server adds when it is asked for a message, and masks
// RFC 3339 times and random names, which differ in every run.
func normal(h nats.Header) nats.Header {
	for _, added := range []string{jetstream.StreamHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer, jetstream.SubjectHeader} {
		h.Del(added)
	}
	for name, values := range h {
		for i, value := range values {
			prefix, text := "", value
			if rest, ok := strings.CutPrefix(value, "@at "); ok {
				prefix, text = "@at ", rest
			}
			if at, err := time.Parse(time.RFC3339Nano, text); err == nil && at.Location() == time.UTC {
				values[i] = prefix + "2006-01-02T15:04:05.999999999Z"
			}
			if name == "Sage-Move" {
				values[i] = "RANDOM"
			}
		}
	}
	return h
}
