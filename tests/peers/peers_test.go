package peers

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/tests/process"
)

const ours = "SAGE Fleet"

var slotCounts = []int{8, 32, 128}

// requirements fails with all that is missing.
func requirements(t testing.TB) {
	t.Helper()
	_, initdb := postgresTool("initdb")
	_, _, user := unprivileged()
	_, redis := redisServer()
	if err := errors.Join(initdb, user, redis); err != nil {
		t.Fatalf("the comparison needs more than there is:\n%v", err)
	}
}

// All systems are given the same and come to the same.
func TestSameJob(t *testing.T) {
	requirements(t)
	const n = 20
	var want map[string]string
	for _, s := range systems {
		within(t, func(t testing.TB) {
			q := s.start(t, bus.Fast)
			q.submit(t, jobs(t, q.store(), n))
			q.work(t, work{slots: 8, tell: true})
			process.Eventually(t, patience, s.name+" has done all", func() bool { return q.done(t) == n && len(q.ends(t)) == n })
			got := q.results(t)
			if want == nil {
				want = got
			}
			if diff := cmp.Diff(want, got); diff != "" || len(got) != n {
				t.Errorf("%s: %d results; those of %s and its own: %s", s.name, len(got), systems[0].name, diff)
			}
		})
	}
	if !strings.HasPrefix(want["e0000000"], "Éxito, 10 records, input.yaml") {
		t.Errorf("the result is %q", want["e0000000"])
	}
}

// BenchmarkPeers measures everything once, in alternating rounds, and prints one
// table. Its own ns/op mean nothing.
func BenchmarkPeers(b *testing.B) {
	requirements(b)
	r := report{Date: time.Now().Format(time.DateOnly), Cores: runtime.NumCPU(), Rounds: *rounds}
	for round := range *rounds {
		r.measureThroughput(b, round)
		r.measureLatency(b, round)
	}
	for i := range r.Throughput {
		r.Throughput[i].Median = median(r.Throughput[i].Rates)
	}
	for i := range r.Latency {
		r.Latency[i].P50, r.Latency[i].P99 = median(r.Latency[i].P50s), median(r.Latency[i].P99s)
	}
	if *crashes {
		r.Crashes = reruns(b)
	}
	if b.Failed() {
		return
	}
	fmt.Println()
	if err := r.write(os.Stdout); err != nil {
		b.Fatal(err)
	}
	if *asJSON != "" {
		data, err := json.MarshalIndent(r, "", "  ")
		if err == nil {
			err = os.WriteFile(*asJSON, append(data, '\n'), 0o600)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// each calls f for all systems in a class that are to be measured. They take turns
// at being first.
func each(round int, f func(s system, d bus.Durability)) {
	for _, d := range classes {
		for i := range systems {
			s := systems[(i+round)%len(systems)]
			for _, c := range s.classes {
				if c == d && strings.Contains(s.name, *only) {
					f(s, d)
				}
			}
		}
	}
}

func (r *report) measureThroughput(t testing.TB, round int) {
	for _, slots := range slotCounts {
		each(round, func(s system, d bus.Durability) {
			f := r.throughputOf(s.name, d, slots)
			f.Rates = append(f.Rates, throughput(t, s, d, slots))
			fmt.Printf("%d: %s, %s, %d slots: %.0f/s\n", round+1, s.name, d, slots, f.Rates[len(f.Rates)-1])
		})
	}
}

func (r *report) throughputOf(name string, d bus.Durability, slots int) *throughputFigure {
	for i := range r.Throughput {
		if f := &r.Throughput[i]; f.System == name && f.Durability == d && f.Slots == slots {
			return f
		}
	}
	r.Throughput = append(r.Throughput, throughputFigure{System: name, Durability: d, Slots: slots})
	return &r.Throughput[len(r.Throughput)-1]
}

func (r *report) measureLatency(t testing.TB, round int) {
	each(round, func(s system, d bus.Durability) {
		f := r.latencyOf(s.name, d)
		p50, p99 := latency(t, s, d)
		f.P50s, f.P99s = append(f.P50s, ms(p50)), append(f.P99s, ms(p99))
		fmt.Printf("%d: %s, %s, 100/s: p50 %.1f ms, p99 %.1f ms\n", round+1, s.name, d, ms(p50), ms(p99))
	})
}

func (r *report) latencyOf(name string, d bus.Durability) *latencyFigure {
	for i := range r.Latency {
		if f := &r.Latency[i]; f.System == name && f.Durability == d {
			return f
		}
	}
	r.Latency = append(r.Latency, latencyFigure{System: name, Durability: d})
	return &r.Latency[len(r.Latency)-1]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
