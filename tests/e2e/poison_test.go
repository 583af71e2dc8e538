package e2e

import (
	"errors"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/tests/process"
)

// A file that kills every worker that opens it is given up after so many deaths,
// and the workers after that live.
func TestAPoisonMessageIsGivenUp(t *testing.T) {
	const crashes = 2
	f := newFleet(t, places["file"](t), map[string]string{
		"QUEUE_ACK_WAIT": "2s", "SLOTS": "1", "MAX_CRASHES": "2", "ENGINE": "exec",
		"ENGINE_COMMAND": `["/bin/sh","-c","! /bin/grep -q poison \"$1\" || kill -9 $PPID","sh","{data}","{config}"]`,
	})
	if _, err := f.producer.Submit(t.Context(), submission(mailbox, "poison", []byte("id\npoison\n"))); err != nil {
		t.Fatal(err)
	}
	poison := execution.Key{Mailbox: mailbox, ID: "poison", Generation: 1}
	for n := range crashes {
		w := start(t, "worker", f.as(bus.IdentityWorker, nil)) // it may die before it can be seen to live
		process.Eventually(t, 30*time.Second, w.String()+" is killed", func() bool { return !w.Running() })
		if _, err := f.outcomes.Read(t.Context(), poison); !errors.Is(err, outcome.ErrNone) {
			t.Fatalf("after %d deaths: %v, want no outcome", n+1, err)
		}
	}
	w := f.startWorker(t)
	var letter queue.Letter
	process.Eventually(t, 30*time.Second, "the message is given up", func() (done bool) {
		var err error
		letter, err = queue.ReadLetter(t.Context(), f.js, mailbox, "poison", 1)
		return err == nil
	})
	o, err := f.outcomes.Read(t.Context(), poison)
	if err != nil || o.Kind != execution.Dead || o.Fault.Code != guard.CodePoison || letter.Code != string(guard.CodePoison) {
		t.Errorf("outcome %+v, %v; letter %s", o, err, letter.Code)
	}
	if _, err := f.producer.Submit(t.Context(), submission(mailbox, "good", []byte("id\n1\n"))); err != nil {
		t.Fatal(err)
	}
	process.Eventually(t, 30*time.Second, "a good file is executed", func() bool {
		o, err := f.outcomes.Read(t.Context(), execution.Key{Mailbox: mailbox, ID: "good", Generation: 1})
		return err == nil && o.Kind == execution.Succeeded
	})
	if !w.Running() {
		t.Errorf("%s was killed", w)
	}
}
