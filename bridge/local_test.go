package bridge_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

func sized(id string, bytes int64) execution.Request {
	return execution.Request{ID: id, Mailbox: "ventas", Config: execution.Config{Text: "x"},
		Inputs: []execution.Input{{URI: "file:///x/a.csv", Filename: "a.csv", Size: &bytes}}}
}

// What is no Lambda's ends up where no bridge takes it, without an attempt and told of;
// everything else is invoked.
func TestLocalOnlyWorkIsLeftToWorkers(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"OVERFLOW_PENDING": "0", "OVERFLOW_MAX_BYTES": "1000", "OVERFLOW_LOCAL_CLASSES": "secret,archive"})
	classed := sized("classed", 10)
	classed.Class = "archive"
	kept := map[string]execution.Request{"its files have 1001 bytes": sized("large", 1001), "class archive stays": classed}
	for _, request := range kept {
		if err := queue.Publish(t.Context(), r.js, request); err != nil {
			t.Fatal(err)
		}
	}
	const small = 5
	for n := range small {
		if err := queue.Publish(t.Context(), r.js, sized(fmt.Sprint("small-", n), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	r.start(t)
	eventually(t, "the small ones are invoked", func() bool { return len(r.invocations()) == small })
	isLocal := func(request execution.Request) bool {
		found, ok, err := queue.Find(t.Context(), r.js, request.Key())
		return err == nil && ok && bus.IsLocal(found.Subject)
	}
	for reason, request := range kept {
		eventually(t, request.ID+" is left to workers", func() bool { return isLocal(request) })
		if told := r.returned(t, request.ID); told.Code != string(bridge.CodeLocal) || !strings.Contains(told.Reason, reason) || told.Number != 0 {
			t.Errorf("%s: told %+v, want it to say %q", request.ID, told, reason)
		}
	}
}

// returned is what was told when the execution id was put back.
func (r *rig) returned(t *testing.T, id string) (told execution.EventData) {
	t.Helper()
	eventually(t, id+" is told of", func() bool {
		for _, data := range r.events(t, bus.StreamEvents) {
			var e execution.Event
			if json.Unmarshal(data, &e) == nil && e.Data.ID == id && e.Data.State == execution.Accepted {
				told = e.Data
				return true
			}
		}
		return false
	})
	return told
}
