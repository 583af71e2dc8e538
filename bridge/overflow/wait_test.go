package overflow_test

import (
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/overflow"
)

func TestLatestWait(t *testing.T) {
	t.Parallel()
	began := time.Unix(1_000, 0)
	for name, tt := range map[string]struct{ deadline, cloud, service, want time.Duration }{
		"until a worker must begin":    {time.Minute, 3 * time.Second, 5 * time.Second, 50 * time.Second},
		"nothing was measured":         {time.Minute, 0, 0, 57 * time.Second},
		"as runs take":                 {10 * time.Second, 8 * time.Second, time.Second, 16 * time.Second},
		"it was late when it was sent": {-time.Minute, time.Second, time.Second, 2 * time.Second},
	} {
		if got := overflow.LatestWait(began, began.Add(tt.deadline), tt.cloud, tt.service).Sub(began); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
