package simulate

import (
	"math"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge/overflow"
)

// knowing is a bridge that knows what each execution that waits takes on average, where
// others know what all took lately: no learner of configurations could know more.
type knowing struct{ overflow.Policy }

func (knowing) workersTake() bool { return true }

func (k knowing) choose(r *run) (place int, again float64) {
	sum := 0.0
	for place := range r.waiting.len() {
		sum += r.jobs[r.waiting.at(place)].Expected
	}
	return By(told{k.Policy, duration(sum / float64(max(1, r.waiting.len())))}).choose(r)
}

// told is a policy that is told what takes how long.
type told struct {
	overflow.Policy
	service time.Duration // 0 when nothing waits
}

func (p told) Decide(s overflow.Signals) overflow.Decision {
	if p.service > 0 {
		s.Service = p.service
	}
	return p.Policy.Decide(s)
}

// twoConfigurations take 0.4 s and 4 s. Of the second so many come each second, in bursts
// of a minute every five; of the first the rest of 20.
func twoConfigurations(seed uint64, slow float64) Workload {
	const rate = 20
	m := maker{random: random(seed)}
	for t := m.random.exp(1.0 / rate); t < horizon; t += m.random.exp(1.0 / rate) {
		mb := 4 * math.Exp(0.3*m.random.normal())
		if math.Mod(t, 300) < 60 && m.random.uniform() < slow/rate {
			mb *= 19
		}
		m.add(t, mb)
	}
	return Workload{Name: "two configurations", Replicas: 4, Jobs: m.jobs}
}

// Why no policy uses what each configuration takes, although workers tell it: at best it
// saves little, and a bridge would have to read all that waits. Should it become worth
// it, the decision in ARCHITECTURE.md is to be made anew.
func TestKnowingConfigurationsSavesLittle(t *testing.T) {
	t.Parallel()
	workloads := []Workload{twoConfigurations(1, 6), twoConfigurations(2, 6)}
	for _, name := range []string{"mmpp", "azcode"} {
		w, err := Make(name, 1)
		if err != nil {
			t.Fatal(err)
		}
		workloads = append(workloads, w)
	}
	const most = 0.1 // of what the Lambda costs
	for _, w := range workloads {
		for _, p := range []overflow.Policy{
			overflow.Slack{Deadline: 10400 * time.Millisecond, Fill: 0.8, Margin: 500 * time.Millisecond},
			overflow.Sized{Deadline: 10400 * time.Millisecond, Fill: 0.9, Margin: 500 * time.Millisecond},
		} {
			setup := Standard(w.Replicas)
			without, with := Run(w.Jobs, setup, By(p)), Run(w.Jobs, setup, knowing{p})
			t.Logf("%s, %s: %.2f %% offloaded for $%.4f/h, knowing %.2f %% for $%.4f/h",
				w.Name, p.Name(), without.Offloaded, without.CloudPrice, with.Offloaded, with.CloudPrice)
			if without.CloudPrice < 0.05 {
				t.Error("nearly nothing goes to the cloud")
			}
			if with.CloudPrice < (1-most)*without.CloudPrice {
				t.Errorf("knowing each saves %.1f %%", 100*(1-with.CloudPrice/without.CloudPrice))
			}
		}
	}
}
