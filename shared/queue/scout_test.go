package queue

import (
	"fmt"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// TestScoutSkipsWhatIsTooOld wherever the first that isn't lies, also among the messages
// of others and behind ones that are gone.
func TestScoutSkipsWhatIsTooOld(t *testing.T) {
	t.Parallel()
	for _, old := range []int{0, 1, 2, 37, 64} {
		t.Run(fmt.Sprint(old), func(t *testing.T) {
			t.Parallel()
			js := bustest.Start(t)
			publish := func(mailbox, id string) {
				t.Helper()
				r := execution.Request{ID: id, Mailbox: mailbox, Config: execution.Config{Text: "x"}, Inputs: []execution.Input{{URI: "file:///a", Filename: "a"}}}
				if err := Publish(t.Context(), js, r); err != nil {
					t.Fatal(err)
				}
			}
			for i := range old {
				publish("ventas", fmt.Sprint("old", i))
				publish("pagos", fmt.Sprint("old", i))
			}
			time.Sleep(2 * time.Millisecond)
			since := time.Now()
			time.Sleep(2 * time.Millisecond)
			for i := range 3 {
				publish("pagos", fmt.Sprint("new", i))
				publish("ventas", fmt.Sprint("new", i))
			}
			s := newScout(js)
			if err := s.learn(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i := range 4 {
				msg, err := s.lookSince(t.Context(), "ventas", since)
				switch {
				case err != nil:
					t.Fatal(err)
				case i == 3 && msg != nil:
					t.Errorf("a fourth: %s", msg.Subject)
				case i < 3 && (msg == nil || msg.Subject != bus.SubjectExec("ventas", fmt.Sprint("new", i))):
					t.Errorf("number %d is %+v", i, msg)
				}
			}
			if msg, err := s.lookSince(t.Context(), "ventas", time.Now().Add(time.Hour)); msg != nil || err != nil {
				t.Errorf("%v, %v; nothing is of the future", msg, err)
			}
		})
	}
}

// TestScoutLooksBehindDeliveries: what was handed out is with somebody.
func TestScoutLooksBehindDeliveries(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	for i := range 3 {
		r := execution.Request{ID: fmt.Sprint("e", i), Mailbox: "ventas", Config: execution.Config{Text: "x"}, Inputs: []execution.Input{{URI: "file:///a", Filename: "a"}}}
		if err := Publish(t.Context(), js, r); err != nil {
			t.Fatal(err)
		}
	}
	s := newScout(js)
	if err := s.learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.passed = 1
	for _, want := range []string{"e1", "e2", ""} {
		msg, err := s.look(t.Context(), "ventas")
		if err != nil {
			t.Fatal(err)
		}
		if msg == nil && want != "" || msg != nil && msg.Subject != bus.SubjectExec("ventas", want) {
			t.Errorf("found %+v, want %q", msg, want)
		}
	}
}
