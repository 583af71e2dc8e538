package peers

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/sagefleet/sagefleet/shared/bus"
)

// report is what one run found. Lists have an entry per round.
type report struct {
	Date       string             `json:"date"`
	Cores      int                `json:"cores"`
	Rounds     int                `json:"rounds"`
	Throughput []throughputFigure `json:"throughput"`
	Latency    []latencyFigure    `json:"latency"`
	Crashes    []crashFigure      `json:"crash_to_rerun"`
}

type throughputFigure struct {
	System     string         `json:"system"`
	Durability bus.Durability `json:"durability"`
	Slots      int            `json:"slots"`
	Rates      []float64      `json:"per_second"`
	Median     float64        `json:"median"`
}

type latencyFigure struct {
	System     string         `json:"system"`
	Durability bus.Durability `json:"durability"`
	P50s       []float64      `json:"p50s_ms"`
	P99s       []float64      `json:"p99s_ms"`
	P50        float64        `json:"p50_ms"`
	P99        float64        `json:"p99_ms"`
}

type crashFigure struct {
	System  string    `json:"system"`
	Setting string    `json:"setting"`
	Seconds []float64 `json:"seconds,omitempty"`
	Stated  float64   `json:"stated_seconds,omitempty"` // by its documentation, not measured
}

func median(vs []float64) float64 {
	sorted := slices.Sorted(slices.Values(vs))
	if len(sorted) == 0 {
		return 0
	}
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// best is the highest median of a system in a class.
func (r report) best(system string, d bus.Durability) float64 {
	var best float64
	for _, f := range r.Throughput {
		if f.System == system && f.Durability == d {
			best = max(best, f.Median)
		}
	}
	return best
}

func (r report) latency(system string, d bus.Durability) latencyFigure {
	for _, f := range r.Latency {
		if f.System == system && f.Durability == d {
			return f
		}
	}
	return latencyFigure{}
}

// write prints the tables. Ratios are of SAGE Fleet's figure to the system's: above
// 1 for what is slower than it.
func (r report) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s, %d cores, medians of %d rounds\n\n", r.Date, r.Cores, r.Rounds)
	fmt.Fprint(w, "durability\tsystem\t")
	for _, slots := range slotCounts {
		fmt.Fprintf(w, "%d slots\t", slots)
	}
	fmt.Fprint(w, "best/s\tSAGE Fleet's is\tp50 ms\tp99 ms\t\n")
	var ahead []string
	for _, d := range classes {
		for _, s := range systems {
			if !slices.Contains(s.classes, d) || r.best(s.name, d) == 0 {
				continue
			}
			r.row(w, s.name, d)
			ahead = append(ahead, r.ahead(s.name, d)...)
		}
	}
	fmt.Fprint(w, "\n")
	for _, c := range r.Crashes {
		took := fmt.Sprintf("%.1f s", median(c.Seconds))
		if len(c.Seconds) == 0 {
			took = fmt.Sprintf("%.0f s, not measured", c.Stated)
		}
		fmt.Fprintf(w, "crash to rerun\t%s\t %s\t\n", c.System, c.Setting+": "+took)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(ahead) == 0 {
		ahead = []string{"No peer is ahead in any of these figures."}
	}
	_, err := fmt.Fprintf(out, "\n%s\n", strings.Join(ahead, "\n"))
	return err
}

func (r report) row(w io.Writer, system string, d bus.Durability) {
	fmt.Fprintf(w, "%s\t%s\t", d, system)
	for _, slots := range slotCounts {
		for _, f := range r.Throughput {
			if f.System == system && f.Durability == d && f.Slots == slots {
				fmt.Fprintf(w, "%.0f\t", f.Median)
			}
		}
	}
	best, l := r.best(system, d), r.latency(system, d)
	fmt.Fprintf(w, "%.0f\t%.2f ×\t%.1f\t%.1f\t\n", best, r.best(ours, d)/best, l.P50, l.P99)
}

// ahead says in what a peer beats us.
func (r report) ahead(system string, d bus.Durability) []string {
	if strings.HasPrefix(system, ours) {
		return nil
	}
	var said []string
	say := func(figure string, theirs, our float64) {
		said = append(said, fmt.Sprintf("%s is ahead in %s under %s: %.1f, SAGE Fleet %.1f", system, figure, d, theirs, our))
	}
	if theirs, our := r.best(system, d), r.best(ours, d); theirs > our {
		say("executions/s", theirs, our)
	}
	theirs, our := r.latency(system, d), r.latency(ours, d)
	if theirs.P50 < our.P50 {
		say("p50 ms", theirs.P50, our.P50)
	}
	if theirs.P99 < our.P99 {
		say("p99 ms", theirs.P99, our.P99)
	}
	return said
}
