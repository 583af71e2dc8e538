package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/sagefleet/sagefleet/deploy/local"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/queue"
)

// screen is what a person, or with --json a program, sees.
type screen struct {
	w        io.Writer
	json     bool
	terminal bool
	last     time.Time // of the last line of progress, where lines can't be rewritten
}

func newScreen(f *os.File, asJSON bool) *screen {
	return &screen{w: f, json: asJSON, terminal: term.IsTerminal(int(f.Fd()))}
}

func (s *screen) printf(format string, args ...any) {
	if !s.json {
		_, _ = fmt.Fprintf(s.w, format, args...)
	}
}

// console says where it is: the first address that is printed.
func (s *screen) console(url string) { s.printf("Console: %s\n\n", url) }

func (s *screen) begin(files, workers int, dir string) {
	s.printf("SAGE Fleet demo: %d executions, %d workers, a bridge and a local Lambda.\n", files, workers)
	s.printf("Queue and files are in %s\n\n", dir)
}

// line shows a line of progress: over the one before on a terminal, else at most
// one each second and the last.
func (s *screen) line(last bool, format string, args ...any) {
	switch {
	case s.terminal:
		s.printf("\r\x1b[2K"+format, args...)
		if last {
			s.printf("\n")
		}
	case last || time.Since(s.last) >= time.Second:
		s.last = time.Now()
		s.printf(format+"\n", args...)
	}
}

func (s *screen) stored(n, all int) { s.line(n == all, "stored    %4d/%d input files", n, all) }

func (s *screen) progress(n, all int, by map[string]int, lag queue.Backlog) {
	const width = 24
	filled := width * n / max(all, 1)
	bar := strings.Repeat("█", filled) + strings.Repeat("░", width-filled)
	s.line(n == all && lag.InFlight == 0, "executed  %4d/%d %s  waiting %d  in flight %d  worker %d  lambda %d",
		n, all, bar, lag.Waiting, lag.InFlight, by[execution.OnWorker], by[execution.OnLambda])
}

// summary is the demo's line of JSON.
type summary struct {
	history.Report
	overflow
	Seconds float64 `json:"seconds"`
	WaitMS  struct {
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
	} `json:"wait_ms"`
}

func (s *screen) result(r history.Report, o overflow, took time.Duration, storage string) {
	p50, p99 := r.Waits.Percentile(50), r.Waits.Percentile(99)
	if s.json {
		line := summary{Report: r, overflow: o, Seconds: took.Seconds()}
		line.WaitMS.P50, line.WaitMS.P99 = millis(p50), millis(p99)
		_ = json.NewEncoder(s.w).Encode(line)
		return
	}
	s.printf("\n")
	t := tabwriter.NewWriter(s.w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { _, _ = fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	row("accepted", "%d", r.Accepted)
	row("succeeded", "%d", r.Succeeded)
	row("dead", "%d", r.Dead)
	row("by workers", "%d", r.ByExecutor[execution.OnWorker])
	row("by Lambda", "%d\t$%.6f at AWS prices", r.ByExecutor[execution.OnLambda], r.CostUSD)
	row("throughput", "%.1f executions/s\t%.1f s in all", float64(r.Accepted)/took.Seconds(), took.Seconds())
	row("wait", "p50 %.0f ms\tp99 %.0f ms", millis(p50), millis(p99))
	row("policy", "%s\t%d decisions told, %d delegated beside a free slot", o.Policy, o.Decisions, o.Residue)
	row("lost", "%d", r.Lost)
	row("doubled", "%d", r.Doubled)
	_ = t.Flush()
	for _, f := range r.Findings {
		s.printf("  ! %s\n", f)
	}
	s.printf("\nreports   %s\noutcomes  %s\n", strings.TrimSuffix(storage, "storage")+"reports", storage+"/outcome")
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (s *screen) serving(p *local.Platform) {
	s.printf("\nStill up; stop with Ctrl-C. In another terminal:\n\n")
	s.printf("  export NATS_URL=%s STORAGE_URL=%s\n", p.Fleet.URL, p.Objects.URL())
	s.printf("  go run ./producer/cmd/sage backlog\n")
}
