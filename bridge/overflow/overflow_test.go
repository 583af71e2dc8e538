package overflow_test

import (
	"testing"

	"github.com/sagefleet/sagefleet/bridge/overflow"
)

func TestThresholdIsTheFoundingDocumentsRule(t *testing.T) {
	tests := map[string]struct {
		policy overflow.Threshold
		cpu    float64
		want   int
	}{
		"queue_size > 3":        {overflow.Threshold{Pending: 3, CPU: 80}, 10, 4},
		"current_cpu_usage 80":  {overflow.Threshold{Pending: 3, CPU: 80}, 80, 4},
		"current_cpu_usage >80": {overflow.Threshold{Pending: 3, CPU: 80}, 80.1, 1},
		"CPU rule off":          {overflow.Threshold{Pending: 3}, 100, 4},
		"anything waiting":      {overflow.Threshold{Pending: 0}, 0, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := tt.policy.Decide(overflow.Signals{CPU: tt.cpu})
			if got.MinPending != tt.want || got.Reason == "" {
				t.Errorf("Decide = %+v, want %d and a reason", got, tt.want)
			}
		})
	}
}
