package simulate

import (
	"fmt"
	"math"
)

// Job is one execution. Times are in seconds since the begin.
type Job struct {
	At        float64 // accepted
	MB        float64
	Expected  float64 // what a slot takes on average for a file of this size
	Local     float64 // what a slot takes
	Cloud     float64 // what the Lambda takes, without its cold start
	Cold      float64 // what a cold start takes, if there is one
	Deadline  float64 // when it should have ended
	LocalOnly bool    // no Lambda can take it
}

// Workload is work and the fleet that it is meant for.
type Workload struct {
	Name     string
	Replicas int
	Jobs     []Job // by At
}

// Workloads are the names that [Make] knows.
var Workloads = []string{"poisson", "mmpp", "flash50", "diurnal", "huge", "drift", "azcode", "azconv"}

const horizon = 3600 // seconds

// Make makes up a workload, or adds what is random to a recorded one.
func Make(name string, seed uint64) (Workload, error) {
	m := maker{random: random(seed)}
	w := Workload{Name: name, Replicas: 4}
	switch name {
	case "poisson":
		m.thin(11, func(float64) float64 { return 11 })
	case "flash50":
		m.thin(400, func(t float64) float64 {
			if t >= 1200 && t < 1220 || t >= 2400 && t < 2420 {
				return 400
			}
			return 8
		})
	case "diurnal":
		m.thin(19.8, func(t float64) float64 { return 11 * (1 + 0.8*math.Sin(2*math.Pi*t/horizon)) })
	case "huge":
		m.hugeP = 0.0005
		m.thin(9, func(float64) float64 { return 9 })
	case "mmpp":
		m.burst(math.Inf(1))
	case "drift":
		m.burst(horizon / 2)
	case "azcode":
		w.Replicas = 1
		m.recorded(traceCode(), 160)
	case "azconv":
		w.Replicas = 2
		m.recorded(traceConv(), 80)
	default:
		return w, fmt.Errorf("workload %q: expected one of %v", name, Workloads)
	}
	w.Jobs = m.jobs
	return w, nil
}

// maker draws jobs in the order that the package comment gives.
type maker struct {
	random random
	hugeP  float64
	jobs   []Job
}

func (m *maker) thin(highest float64, rate func(t float64) float64) {
	for t := m.random.exp(1 / highest); t < horizon; t += m.random.exp(1 / highest) {
		if m.random.uniform()*highest > rate(t) {
			continue
		}
		mb := m.size()
		if m.hugeP > 0 && m.random.uniform() < m.hugeP {
			mb = 1000 * (12 + 8*m.random.uniform())
		}
		m.add(t, mb)
	}
}

func (m *maker) burst(drift float64) {
	rates, stays := [2]float64{5, 40}, [2]float64{120, 20}
	for begin, state := 0.0, 0; begin < horizon; state = 1 - state {
		end := begin + m.random.exp(stays[state])
		for t := begin + m.random.exp(1/rates[state]); t < min(end, horizon); t += m.random.exp(1 / rates[state]) {
			scale := 1.0
			if t >= drift {
				if m.random.uniform() > 1.0/3 {
					continue
				}
				scale = 4
			}
			m.add(t, scale*m.size())
		}
		begin = end
	}
}

func (m *maker) recorded(trace []record, unitsPerMB float64) {
	for _, r := range trace {
		m.add(r.at, r.units/unitsPerMB)
	}
}

func (m *maker) size() float64 { return min(8*math.Exp(1.2*m.random.normal()), 4000) }

func (m *maker) add(t, mb float64) {
	const noise = 0.3
	expected := 0.2 + 0.05*mb
	local := expected * math.Exp(noise*m.random.normal()-noise*noise/2)
	j := Job{At: t, MB: mb, Expected: expected, Local: local, Cloud: 1.1*local + mb/75,
		Cold: 0.8 * math.Exp(0.4*m.random.normal()), Deadline: t + 10 + 2*expected}
	if mb > 10_000 {
		j.LocalOnly, j.Deadline = true, t+3600
	}
	m.jobs = append(m.jobs, j)
}
