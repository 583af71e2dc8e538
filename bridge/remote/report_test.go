package remote_test

import (
	"context"
	"encoding/base64"
	"math"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sagefleet/sagefleet/shared/execution"
)

const warm = "REPORT RequestId: 8f5\tDuration: 101.50 ms\tBilled Duration: 102 ms\tMemory Size: 1024 MB\tMax Memory Used: 38 MB\t\n"

// usageOf is what Execute makes of a log tail, in base64, beside an outcome.
func usageOf(t *testing.T, tail string) *execution.Usage {
	t.Helper()
	replied := func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
		return &lambda.InvokeOutput{StatusCode: 200, LogResult: &tail, Payload: []byte(`{"statusCode":200}`)}, nil
	}
	o, err := execute(t, t.Context(), replied, func(context.Context) (execution.Outcome, error) {
		return execution.Outcome{Kind: execution.Succeeded}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return o.Usage
}

func TestReport(t *testing.T) {
	t.Parallel()
	hundredTwo := &execution.Usage{BilledMillis: 102, MemoryMB: 1024}
	tests := map[string]struct {
		log  string
		want *execution.Usage
	}{
		"warm":             {"START RequestId: 8f5 Version: $LATEST\nEND RequestId: 8f5\n" + warm, hundredTwo},
		"cold":             {"REPORT RequestId: 8f5\tDuration: 1.0 ms\tBilled Duration: 120 ms\tMemory Size: 512 MB\tMax Memory Used: 38 MB\tInit Duration: 118.20 ms\t\n", &execution.Usage{BilledMillis: 120, InitMillis: 119, MemoryMB: 512}},
		"with X-Ray":       {warm + "XRAY TraceId: 1-5e\tSegmentId: 2\tSampled: true\n", hundredTwo},
		"imitated before":  {"REPORT RequestId: 8f5\tBilled Duration: 1 ms\tMemory Size: 128 MB\n" + warm, hundredTwo},
		"inside a line":    {"x REPORT RequestId: 8f5\tBilled Duration: 1 ms\tMemory Size: 128 MB\n", nil},
		"none":             {"START RequestId: 8f5 Version: $LATEST\n", nil},
		"without duration": {"REPORT RequestId: 8f5\tMemory Size: 1024 MB\n", nil},
		"without memory":   {"REPORT RequestId: 8f5\tBilled Duration: 102 ms\n", nil},
		"no number":        {"REPORT RequestId: 8f5\tBilled Duration: NaN ms\tMemory Size: 1024 MB\n", nil},
		"empty":            {"", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := usageOf(t, base64.StdEncoding.EncodeToString([]byte(tt.log)))
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(execution.Usage{}, "CostUSD")); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	if got := usageOf(t, "not base64!"); got != nil {
		t.Errorf("read %+v from what isn't base64", got)
	}
}

// FuzzReport: whatever is believed can be paid for.
func FuzzReport(f *testing.F) {
	f.Add([]byte(warm))
	f.Add([]byte("REPORT RequestId: \tBilled Duration: 1e300 ms\tMemory Size: Inf MB\tInit Duration: -1 ms"))
	f.Add([]byte("REPORT RequestId: \tBilled Duration: 1e9 ms\tMemory Size: 0x1p9 MB\tInit Duration: 1 ms"))
	f.Fuzz(func(t *testing.T, log []byte) {
		u := usageOf(t, base64.StdEncoding.EncodeToString(log))
		if u == nil {
			return
		}
		if u.BilledMillis < 1 || u.MemoryMB < 1 || u.InitMillis < 0 || !(u.CostUSD > 0) || math.IsInf(u.CostUSD, 0) {
			t.Fatalf("%q reads as %+v", log, u)
		}
	})
}
