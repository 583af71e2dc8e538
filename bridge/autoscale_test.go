package bridge_test

import (
	"math"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// replicas is what an autoscaler of Kubernetes asks for: KEDA hands the metric to a
// HorizontalPodAutoscaler with an average value per replica as its target
// (https://keda.sh/docs/latest/concepts/scaling-deployments/), which asks for
// ceil(metric ÷ target), and with one replica at least here.
func replicas(metric, target float64) int { return max(1, int(math.Ceil(metric/target))) }

// kedaLag is the lag that KEDA's own scaler computes of a consumer: num_pending plus
// num_ack_pending (https://keda.sh/docs/latest/scalers/nats-jetstream-stream/).
func kedaLag(info *jetstream.ConsumerInfo) float64 {
	return float64(info.NumPending) + float64(info.NumAckPending)
}

// lagThreshold is KEDA's default.
const lagThreshold = 10

// An autoscaler that goes by local_backlog adds no workers for what is with the
// Lambda, as one does that goes by the consumer's lag.
func TestAutoscalersDoNotFightTheBridge(t *testing.T) {
	t.Parallel()
	const slots, sent = 4, 50
	r := newRig(t, map[string]string{})
	r.hold = make(chan struct{})
	consumer, err := r.js.Consumer(t.Context(), bus.StreamExecutions, bus.ConsumerFleet)
	if err != nil {
		t.Fatal(err)
	}
	r.publish(t, 0, sent)
	held, err := consumer.Fetch(slots, jetstream.FetchPriorityGroup(bus.GroupFleet)) // one worker's slots
	if err != nil {
		t.Fatal(err)
	}
	for range held.Messages() {
	}
	r.worker(t, 0, 10)
	r.start(t)
	const waiting = 3 // the threshold lets them wait
	eventually(t, "the rest is with the Lambda", func() bool {
		m := r.metrics(t)
		return m["sage_queue_delegated"] == sent-slots-waiting && m["sage_queue_pending"] == waiting && m["sage_local_backlog"] > 0
	})
	info, err := consumer.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := r.metrics(t)["sage_local_backlog"], kedaLag(info)
	if ours != slots+waiting || theirs != sent {
		t.Errorf("local_backlog %v, want what the worker has and what waits, %d; the consumer's lag is %v of %d", ours, slots+waiting, theirs, sent)
	}
	if n := replicas(ours, lagThreshold); n != 1 {
		t.Errorf("local_backlog asks for %d replicas, want the one there is", n)
	}
	if n := replicas(theirs, lagThreshold); n <= 1 {
		t.Errorf("the lag asks for %d replicas: this test shows nothing", n)
	}
	close(r.hold)
}
