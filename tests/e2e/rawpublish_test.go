package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

// TestRawPublish publishes what anyone can with `nats pub`: the founding
// document's names without an execution_id. The execution gets an id that names the
// message, and keeps it.
func TestRawPublish(t *testing.T) {
	const mailbox, key = "ventas", "inputs/ventas/suelto.csv"
	f := newFleet(t, directory(t), nil)
	f.startWorker(t)
	if _, err := f.objects.Put(t.Context(), key, strings.NewReader(string(orders(10, 2)))); err != nil {
		t.Fatal(err)
	}
	r := f.request("", "", storage.Join(f.objects.URL(), key))
	f.publish(t, mailbox, encode(t, r))
	f.publish(t, mailbox, encode(t, r)) // nothing says that it is the same request

	events := f.follow(t)
	process.Eventually(t, 20*time.Second, "both messages are executed", func() bool { return events.ended() == 2 })
	f.settled(t, 10*time.Second)
	derived := regexp.MustCompile(fmt.Sprintf(`^%s-[12]-[0-9a-f]+$`, strings.ToLower(bus.StreamExecutions)))
	n := 0
	for o, err := range f.outcomes.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if o.Mailbox != mailbox || !derived.MatchString(o.ID) {
			t.Errorf("executed as %s, want an id that matches %s in %s", o.Key, derived, mailbox)
		}
		if o.Kind != execution.Succeeded || o.Summary == nil || o.Summary.Records != 10 || o.Summary.Errors != 2 {
			t.Errorf("%s ended %s with %+v, %v", o.Key, o.Kind, o.Summary, o.Fault)
		}
	}
	if n != 2 {
		t.Errorf("%d outcomes, want 2", n)
	}
}
