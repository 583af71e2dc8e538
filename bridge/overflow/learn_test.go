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
	for _, scale := range []float64{0.5, 1, 100} {
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

// What takes minutes is known to after a hundred runs, though the prior is 2 s.
func TestQuantileFindsMinutesSoon(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var q overflow.Quantile
	for range 100 {
		q.Observe(time.Duration(200 * math.Exp(0.6*random.NormFloat64()-0.18) * float64(time.Second)))
	}
	if got := q.Value(); got < 160*time.Second || got > 600*time.Second { // it is 448 s
		t.Errorf("after 100 runs %v", got)
	}
}

func TestBySizeFindsTheLineAndWhatOneInTwentyExceeds(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var b overflow.BySize
	if got := b.Within(1e6); got != 0 {
		t.Errorf("before anything was seen %v", got)
	}
	var above [2]int
	const warm, measured = 3000, 20_000
	for i := range warm + measured {
		mb := 8 * math.Exp(1.2*random.NormFloat64())
		takes := time.Duration((0.2 + 0.05*mb) * math.Exp(0.3*random.NormFloat64()-0.045) * float64(time.Second))
		large := 0
		if mb > 30 {
			large = 1
		}
		if i >= warm && takes > b.Within(int64(mb*1e6)) {
			above[large]++
		}
		b.Observe(int64(mb*1e6), takes)
	}
	// 13.5 % are larger than 30 MB.
	for i, n := range []float64{0.865 * measured, 0.135 * measured} {
		if share := float64(above[i]) / n; share < 0.03 || share > 0.07 {
			t.Errorf("sizes %d: %.3f above", i, share)
		}
	}
}

func TestBySizeOfOneSize(t *testing.T) {
	var b overflow.BySize
	for range 1000 {
		b.Observe(5e6, time.Second)
	}
	if got := b.Within(5e6); got < 900*time.Millisecond || got > 1500*time.Millisecond {
		t.Errorf("what always takes 1s is within %v", got)
	}
	if got := b.Within(0); got <= 0 {
		t.Errorf("nothing takes %v", got)
	}
}

func TestLearnersGoOnWhereTheyWere(t *testing.T) {
	type learned struct {
		Service overflow.Mean
		Cloud   overflow.Quantile
		Sizes   overflow.BySize
	}
	var a learned
	for i := range 10 {
		a.Service.Observe(time.Duration(i) * time.Second)
		a.Cloud.Observe(time.Duration(i) * time.Second)
		a.Sizes.Observe(int64(i)*1e6, time.Duration(i)*time.Second)
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var b learned
	if !a.Cloud.Valid() || !a.Sizes.Valid() || !(overflow.BySize{}).Valid() || !(overflow.Quantile{}).Valid() {
		t.Errorf("%+v isn't taken for learned", a)
	}
	if err := json.Unmarshal(text, &b); err != nil || a != b {
		t.Errorf("%+v became %+v, %v", a, b, err)
	}
}
