package queue_test

import (
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// What no Lambda has room for is published where no bridge looks, also when it has to be
// published again.
func TestTooLargeForALambda(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	most := int64(execution.LambdaBytes)
	more := most + 1
	request := func(id string, size *int64) execution.Request {
		return execution.Request{ID: id, Mailbox: "ventas", Config: execution.Config{Text: "x"},
			Inputs: []execution.Input{{URI: "file:///x/a.csv", Filename: "a.csv", Size: size}}}
	}
	publish := map[string]func(execution.Request) error{
		"once": func(r execution.Request) error { return queue.Publish(t.Context(), js, r) },
		"many": func(r execution.Request) error {
			return queue.PublishMany(t.Context(), js, []execution.Request{r}, nil)
		},
		"again": func(r execution.Request) error { return queue.Republish(t.Context(), js, r, time.Now(), "1") },
	}
	for how, publish := range publish {
		for name, tt := range map[string]struct {
			size  *int64
			local bool
		}{"fits": {&most, false}, "too-large": {&more, true}, "unknown": {nil, false}} {
			r := request(how+"-"+name, tt.size)
			if err := publish(r); err != nil {
				t.Fatal(err)
			}
			if found, ok, err := queue.Find(t.Context(), js, r.Key()); err != nil || !ok || bus.IsLocal(found.Subject) != tt.local {
				t.Errorf("%s: on %q, %v; local is %v", r.ID, found.Subject, err, tt.local)
			}
		}
	}
}
