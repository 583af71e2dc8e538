// Package machine measures how busy the processors and the memory are that this
// process may use: those of its container where one has limits, else those of the
// whole machine.
//
// A limit is what counts: a container that may use one core of thirty-two is at its
// end at 3 % of the machine.
package machine

import (
	"context"
	"io/fs"
	"os"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/mem"
)

// Usage is what was measured.
type Usage struct {
	CPU    float64 `json:"cpu"`    // percent of Cores, averaged over the last 5 s
	Cores  float64 `json:"cores"`  // that may be used; a container may have half a core
	Memory uint64  `json:"memory"` // bytes in use, without what the kernel only caches
	Limit  uint64  `json:"limit"`  // bytes that may be used
}

// Window is how long the use of the processors is averaged over.
const Window = 5 * time.Second

// rest is how long a sample is repeated: measuring costs some file reads.
const rest = 200 * time.Millisecond

// Meter measures. It is not safe for concurrent use.
type Meter struct {
	group  cgroup
	points []point
	last   Usage
}

// point is how much processor time had been used by a moment.
type point struct {
	at          time.Time
	busy, total float64 // seconds of cores: used, and that there were
}

// NewMeter returns a Meter for this process. It reads nothing yet.
func NewMeter() *Meter { return &Meter{group: cgroup{root: os.DirFS("/")}} }

// newMeter measures a process that sees the files of root.
func newMeter(root fs.FS) *Meter { return &Meter{group: cgroup{root: root}} }

// Sample measures since the earlier samples of the last 5 s; the first has nothing
// to measure from, and says 0 %. What can't be measured is 0.
func (m *Meter) Sample(ctx context.Context) Usage {
	now := time.Now()
	if n := len(m.points); n > 0 && now.Sub(m.points[n-1].at) < rest {
		return m.last
	}
	m.last = m.sample(ctx, now)
	return m.last
}

func (m *Meter) sample(ctx context.Context, now time.Time) Usage {
	var u Usage
	u.Memory, u.Limit = m.memory(ctx)
	p, cores, err := m.point(ctx, now)
	if err != nil {
		return u
	}
	if m.points = append(m.points, p); len(m.points) > 1 && !m.points[1].at.After(now.Add(-Window)) {
		m.points = m.points[1:] // the first is the last that is as old as the window
	}
	u.Cores = cores
	if first := m.points[0]; p.total > first.total {
		u.CPU = min(max(100*(p.busy-first.busy)/(p.total-first.total), 0), 100)
	}
	return u
}

// point returns what was used up to now, of the container or of the machine.
func (m *Meter) point(ctx context.Context, now time.Time) (point, float64, error) {
	if cores, used, ok := m.group.cpu(); ok {
		const long = 1e9 // seconds; only differences count
		elapsed := now.Sub(epoch).Seconds() * cores
		return point{at: now, busy: used, total: elapsed + long}, cores, nil
	}
	times, err := cpu.TimesWithContext(ctx, false)
	if err != nil || len(times) == 0 {
		return point{}, 0, err
	}
	cores, err := cpu.CountsWithContext(ctx, true)
	if err != nil {
		return point{}, 0, err
	}
	t := times[0]
	busy := t.User + t.System + t.Nice + t.Irq + t.Softirq + t.Steal
	return point{at: now, busy: busy, total: busy + t.Idle + t.Iowait}, float64(cores), nil
}

// epoch is when this process began to measure; its clock never jumps.
var epoch = time.Now()

func (m *Meter) memory(ctx context.Context) (used, limit uint64) {
	if used, limit, ok := m.group.memory(); ok {
		return used, limit
	}
	v, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return 0, 0
	}
	return v.Total - v.Available, v.Total
}
