package queue_test

import (
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
)

func TestGaugeReadsWhatTheOldestSaysOfItself(t *testing.T) {
	t.Parallel()
	js := bustest.Start(t)
	gauge, err := queue.OpenGauge(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	d, err := gauge.Measure(t.Context())
	if err != nil || d != (queue.Depth{}) {
		t.Errorf("of nothing: %+v, %v", d, err)
	}
	large, small := int64(3_000_000), int64(500)
	r := request(1)
	r.Deadline = time.Now().Add(time.Hour)
	r.Inputs = []execution.Input{{URI: "file:///a", Filename: "a.csv", Size: &large}, {URI: "file:///b", Filename: "b.csv", Size: &small}}
	unknown := request(2)
	for _, r := range []execution.Request{r, unknown} {
		if err := queue.Publish(t.Context(), js, r); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both wait", func() bool {
		d, err = gauge.Measure(t.Context())
		return err != nil || d.Pending == 2
	})
	if err != nil || d.HeadAge <= 0 || d.HeadBytes != 3_000_500 {
		t.Errorf("%+v, %v", d, err)
	}
	if d.HeadDeadline < 59*time.Minute || d.HeadDeadline > time.Hour {
		t.Errorf("the deadline is %v after acceptance", d.HeadDeadline)
	}
}
