package speed

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// rounds is how often every program runs; what counts is the median. The programs
// of a contest take turns, so that what else the machine does meets all of them.
const rounds = 5

// runner is one program of a contest.
type runner struct {
	name  string
	run   func() usage
	quote string // instead of run: what was published of a program that can't be had
}

// contest measures our own program, the first, beside others.
func contest(b *testing.B, title string, runners ...runner) {
	b.Helper()
	all := make([][]usage, len(runners))
	for range rounds {
		for i, r := range runners {
			if r.run != nil {
				all[i] = append(all[i], r.run())
			}
		}
	}
	ours := median(all[0])
	b.ReportMetric(0, "ns/op") // a process is what is measured, and not this one
	b.ReportMetric(ours.wall.Seconds(), "s")
	b.ReportMetric(ours.cpu.Seconds(), "cpu-s")
	b.ReportMetric(float64(ours.memory)/1e6, "MB")
	for i, r := range runners {
		if r.run == nil {
			results.add(title, r.name, r.quote)
			continue
		}
		used := median(all[i])
		line := fmt.Sprintf("%.3f s\t%.3f s\t%.0f MB\t", used.wall.Seconds(), used.cpu.Seconds(), float64(used.memory)/1e6)
		if i > 0 {
			times := ratio(all[i], all[0], func(u usage) float64 { return u.wall.Seconds() })
			b.ReportMetric(times, "x-"+strings.Fields(r.name)[0])
			line += fmt.Sprintf("%.1f × the time, %.1f × the memory", times,
				ratio(all[i], all[0], func(u usage) float64 { return float64(u.memory) }))
		}
		results.add(title, r.name, line)
	}
}

// median is that of each figure on its own.
func median(all []usage) usage {
	return usage{
		wall:   time.Duration(middle(all, func(u usage) float64 { return float64(u.wall) })),
		cpu:    time.Duration(middle(all, func(u usage) float64 { return float64(u.cpu) })),
		memory: int64(middle(all, func(u usage) float64 { return float64(u.memory) })),
	}
}

func middle(all []usage, figure func(usage) float64) float64 {
	var figures []float64
	for _, u := range all {
		figures = append(figures, figure(u))
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}

// ratio is the median of the ratios of each round.
func ratio(them, us []usage, figure func(usage) float64) float64 {
	var ratios []float64
	for i := range them {
		ratios = append(ratios, figure(them[i])/figure(us[i]))
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

// results is the table that is printed after all benchmarks.
var results table

type table struct {
	mu    sync.Mutex
	lines []string
	last  string
}

func (t *table) add(title, name, line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if title == t.last {
		title = ""
	} else {
		t.last = title
	}
	t.lines = append(t.lines, title+"\t"+name+"\t"+line)
}

func (t *table) print(w io.Writer) {
	if len(t.lines) == 0 {
		return
	}
	tabs := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tabs, "\n\tmedian of "+fmt.Sprint(rounds)+"\twall\tCPU\tmemory\t")
	for _, line := range t.lines {
		fmt.Fprintln(tabs, line)
	}
	_ = tabs.Flush() // to standard output
}
