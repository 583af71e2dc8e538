package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// cloud is what the bridge says that the Lambda's runs take, in ms; 0 when it knows nothing,
// and -1 before it is heard.
func (r *rig) cloud(t *testing.T) int64 {
	t.Helper()
	fleet, err := heartbeat.Look(t.Context(), r.kv)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fleet.Members() {
		if m.Bridge != nil && m.Presence == heartbeat.Here && m.Bridge.Why.Signals != nil && m.Bridge.Why.Rule != "" {
			return m.Bridge.Why.Signals.CloudMillis
		}
	}
	return -1
}

// openLearning is a rig, and what opens another bridge over the same fleet.
func openLearning(t *testing.T, function string) (r *rig, again func(function string) *bridge.Bridge) {
	t.Helper()
	var open func(function string) (*bridge.Bridge, error)
	r = openRig(t, map[string]string{}, func(r *rig, objects storage.Store, fleet bus.Config, cfg bridge.Config) (*bridge.Bridge, error) {
		open = func(function string) (*bridge.Bridge, error) {
			calls, err := settings.Parse[remote.Config](map[string]string{"LAMBDA_FUNCTION": function})
			if err != nil {
				return nil, err
			}
			return bridge.Open(t.Context(), r.js, objects, fleet, invoker{r}, "bridge", cfg, calls)
		}
		return open(function)
	})
	return r, func(function string) *bridge.Bridge {
		b, err := open(function)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// What a bridge has learned is there when it, or another, starts again.
func TestWhatWasLearnedOutlivesABridge(t *testing.T) {
	t.Parallel()
	r, again := openLearning(t, "sage")
	stop := run(t, r.bridge.Run)
	r.publish(t, 0, 20) // 17 of them overflow
	var knows int64
	eventually(t, "the bridge has learned", func() bool {
		knows = r.cloud(t)
		return knows > 0 && len(r.invocations()) == 17
	})
	time.Sleep(50 * time.Millisecond) // the last ones answer
	stop()
	invoked := len(r.invocations())
	stop = run(t, again("sage").Run)
	eventually(t, "the next one knows it", func() bool { return r.cloud(t) > 0 })
	if got := r.cloud(t); got > knows || len(r.invocations()) != invoked {
		t.Errorf("it begins with %d ms, and the one before ended with no more than %d", got, knows)
	}
	stop()
	stop = run(t, again("other").Run)
	eventually(t, "one with another function decides", func() bool { return r.cloud(t) >= 0 })
	if got := r.cloud(t); got != 0 {
		t.Errorf("it takes %d ms for its own function's", got)
	}
	stop()
}

func TestWhatNobodyLearnedIsIgnored(t *testing.T) {
	t.Parallel()
	r, again := openLearning(t, "sage")
	const entry = `{"function":"sage","at":%q,"cloud":{"average":{"n":%d,"seconds":3},"seconds":%g},"sizes":{"n":0}}`
	now, old := time.Now().UTC().Format(time.RFC3339), time.Now().Add(-8*24*time.Hour).UTC().Format(time.RFC3339)
	for _, tt := range []struct {
		value string
		want  int64
	}{
		{fmt.Sprintf(entry, now, 9, 4.0), 4000},
		{fmt.Sprintf(entry, old, 9, 4.0), 0},
		{fmt.Sprintf(entry, now, -9, 4.0), 0},
		{fmt.Sprintf(entry, now, 9, -4.0), 0},
		{fmt.Sprintf(entry, now, 9, 1e300), 0},
		{"no JSON", 0},
		{fmt.Sprintf(entry, now, 9, 4.0) + strings.Repeat(" ", 8<<10), 0},
	} {
		if _, err := r.kv.PutString(t.Context(), "learned", tt.value); err != nil {
			t.Fatal(err)
		}
		stop := run(t, again("sage").Run)
		eventually(t, "it decides", func() bool { return r.cloud(t) >= 0 })
		if got := r.cloud(t); got != tt.want {
			t.Errorf("with %.60q it begins with %d ms, want %d", tt.value, got, tt.want)
		}
		stop()
	}
}
