package remote

import (
	"encoding/base64"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const warm = "REPORT RequestId: 8f5\tDuration: 101.50 ms\tBilled Duration: 102 ms\tMemory Size: 1024 MB\tMax Memory Used: 38 MB\t\n"

func TestParseReport(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		log  string
		want report
		ok   bool
	}{
		"warm":             {"START RequestId: 8f5 Version: $LATEST\nEND RequestId: 8f5\n" + warm, report{102, 0, 1024}, true},
		"cold":             {"REPORT RequestId: 8f5\tDuration: 1.0 ms\tBilled Duration: 120 ms\tMemory Size: 512 MB\tMax Memory Used: 38 MB\tInit Duration: 118.20 ms\t\n", report{120, 119, 512}, true},
		"with X-Ray":       {warm + "XRAY TraceId: 1-5e\tSegmentId: 2\tSampled: true\n", report{102, 0, 1024}, true},
		"imitated before":  {"REPORT RequestId: 8f5\tBilled Duration: 1 ms\tMemory Size: 128 MB\n" + warm, report{102, 0, 1024}, true},
		"inside a line":    {"x REPORT RequestId: 8f5\tBilled Duration: 1 ms\tMemory Size: 128 MB\n", report{}, false},
		"none":             {"START RequestId: 8f5 Version: $LATEST\n", report{}, false},
		"without duration": {"REPORT RequestId: 8f5\tMemory Size: 1024 MB\n", report{memoryMB: 1024}, false},
		"no number":        {"REPORT RequestId: 8f5\tBilled Duration: NaN ms\tMemory Size: 1024 MB\n", report{memoryMB: 1024}, false},
		"empty":            {"", report{}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := parseReport(base64.StdEncoding.EncodeToString([]byte(tt.log)))
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(report{})); diff != "" || ok != tt.ok {
				t.Errorf("ok = %v, want %v; -want +got\n%s", ok, tt.ok, diff)
			}
		})
	}
	if _, ok := parseReport("not base64!"); ok {
		t.Error("read what isn't base64")
	}
}

// FuzzParseReport: whatever is believed can be paid for.
func FuzzParseReport(f *testing.F) {
	f.Add([]byte(warm))
	f.Add([]byte("REPORT RequestId: \tBilled Duration: 1e300 ms\tMemory Size: Inf MB\tInit Duration: -1 ms"))
	cfg := Config{Architecture: "x86_64", PriceRequest: 0.0000002}
	f.Fuzz(func(t *testing.T, log []byte) {
		r, ok := parseReport(base64.StdEncoding.EncodeToString(log))
		if !ok {
			return
		}
		if r.billedMillis < 1 || r.memoryMB < 1 || r.initMillis < 0 {
			t.Fatalf("%q reads as %+v", log, r)
		}
		if cost := cfg.usage(r).CostUSD; !(cost > 0) || math.IsInf(cost, 0) {
			t.Fatalf("%+v costs %v", r, cost)
		}
	})
}
