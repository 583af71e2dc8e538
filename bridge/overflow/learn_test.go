package overflow_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/overflow"
)

func TestMeanBeginsWithItsPriorAndForgets(t *testing.T) {
	var m overflow.Mean
	if got := m.Value(); got != 1500*time.Millisecond {
		t.Errorf("prior %v", got)
	}
	m.Observe(500 * time.Millisecond) // 1.5 + (0.5 − 1.5)/5
	if got := m.Value(); got != 1300*time.Millisecond {
		t.Errorf("after one %v", got)
	}
	for range 500 {
		m.Observe(4 * time.Second)
	}
	if got := m.Value(); got < 3990*time.Millisecond || got > 4*time.Second {
		t.Errorf("after 500 of 4s %v", got)
	}
}

func TestQuantileFindsWhatOneInTwentyExceeds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, scale := range []float64{0.01, 1, 100} {
		var q overflow.Quantile
		var above int
		const warm, measured = 20_000, 20_000
		for i := range warm + measured {
			value := time.Duration(scale * random.ExpFloat64() * float64(time.Second))
			if i >= warm && value > q.Value() {
				above++
			}
			q.Observe(value)
		}
		if share := float64(above) / measured; math.Abs(share-0.05) > 0.01 {
			t.Errorf("scale %v: %.3f above", scale, share)
		}
	}
}

func TestLearnersGoOnWhereTheyWere(t *testing.T) {
	type learned struct {
		Service overflow.Mean
		Cloud   overflow.Quantile
	}
	var a learned
	for i := range 10 {
		a.Service.Observe(time.Duration(i) * time.Second)
		a.Cloud.Observe(time.Duration(i) * time.Second)
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var b learned
	if err := json.Unmarshal(text, &b); err != nil || a != b {
		t.Errorf("%+v became %+v, %v", a, b, err)
	}
}
