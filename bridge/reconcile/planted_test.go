package reconcile_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// Whoever may write under a mailbox has nothing published for another, and what is no
// request is told of once and keeps nobody from helping others.
func TestPlantedRequestsSpeakForNobodyElse(t *testing.T) {
	t.Parallel()
	f, age := newAgingFleet(t)
	plant := func(id, text string) {
		if err := f.objects.Create(t.Context(), intake.RequestKey("ventas", id), []byte(text)); err != nil {
			t.Fatal(err)
		}
		age(request(id), 2*time.Minute)
	}
	plant("planted", `{"mailbox":"contabilidad","execution_id":"theirs","yaml_config":"x","input_files":[{"uri":"u","filename":"a.csv"}]}`)
	plant("empty", "{}")
	for i := range 12 {
		plant(fmt.Sprintf("broken%d", i), "{")
	}
	age(f.submit(t, "e1"), 2*time.Minute)
	r := f.reconciler(t, "h1", config)
	if done := sweeps(t, r, 6); done.Requeued != 2 || done.Stranded != 13 {
		t.Errorf("did %+v", done)
	}
	for _, k := range []execution.Key{request("planted").Key(), request("e1").Key()} {
		if _, waits, err := queue.Find(t.Context(), f.js, k); err != nil || !waits {
			t.Errorf("%s waits: %v, %v", k, waits, err)
		}
	}
	if b := f.backlog(t); b.Waiting != 2 {
		t.Errorf("%+v; want what is ventas's alone", b)
	}
}
