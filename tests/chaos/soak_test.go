package chaos

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	gopsutil "github.com/shirou/gopsutil/v4/process"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/worker"
)

// The defaults are for go test, which judges nothing: `task soak` does.
var (
	soakLasts = flag.Duration("soak", 10*time.Second, "how long the soak lasts; from 5m on it is judged")
	soakRate  = flag.Int("rate", 20, "executions a second in the soak")
)

const (
	soakJudged  = 5 * time.Minute
	soakWarmUp  = 0.3 // of the time, in which caches and the heap find their size
	soakHaste   = 5   // times the rate meanwhile: that takes many collections, not time
	soakSamples = 200
	// steady is the growth per minute, of the median, that counts as none: at this
	// rate a process doubles in a day.
	steady = 0.0007
)

// series is one quantity over time.
type series struct {
	name    string
	unit    string
	judged  bool
	sample  func() (float64, error)
	minutes []float64
	values  []float64
}

// A fleet under a steady load uses as much at the end as at the beginning.
func TestSoak(t *testing.T) {
	t.Parallel()
	f := newFleet(t, stores["file"](t))
	delete(f.vars, "SAGE_FAILPOINT_DIR") // looking there costs more than the step itself
	f.addWorker()
	f.addBridge(f.startLambda(t))
	for _, s := range f.services {
		s.vars = maps.Clone(s.vars)
		s.vars["METRICS_LISTEN"] = "127.0.0.1:0"
	}
	f.revive(t)
	f.workHere(t)
	all := []*series{{name: "goroutines of a worker, its clients and a Lambda service", judged: true, sample: func() (float64, error) {
		return float64(runtime.NumGoroutine()), nil
	}}}
	for _, p := range []*process.Process{f.services[0].Process, f.services[1].Process} {
		all = append(all, of(t, p, true)...)
		all = append(all, goroutines(t, p))
	}
	all = append(all, of(t, f.server.Process, false)...) // keeps the history: it may grow with that

	n := f.soak(t, all)
	t.Logf("%d executions in %v, after %.0f %% warm-up\n%s", n, *soakLasts, 100*soakWarmUp, tabulate(all))
	for _, s := range all {
		if slope, least, flat := s.trend(); s.judged && !flat && *soakLasts >= soakJudged {
			t.Errorf("%s grows by %.3g %s a minute, and by %.3g at least", s.name, slope, s.unit, least)
		}
	}
}

// workHere runs one more worker, in this process, where goroutines can be counted.
func (f *fleet) workHere(t testing.TB) {
	t.Helper()
	fleet, err := settings.Parse[bus.Config](f.vars)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := settings.Parse[worker.Config](f.vars)
	if err != nil {
		t.Fatal(err)
	}
	w, err := worker.New(t.Context(), f.js, f.objects, fleet, "here", cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); working.Wait() })
}

// of are the quantities of a process that the system knows.
func of(t testing.TB, p *process.Process, judged bool) []*series {
	t.Helper()
	it, err := gopsutil.NewProcess(p.Pid())
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Split(p.String(), "[")[0]
	return []*series{
		{name: name + " memory of its own", unit: "MiB", judged: judged, sample: func() (float64, error) { return ownMemory(p.Pid()) }},
		{name: name + " RSS", unit: "MiB", sample: func() (float64, error) {
			m, err := it.MemoryInfo()
			if err != nil {
				return 0, err
			}
			return float64(m.RSS) / (1 << 20), nil
		}},
		{name: name + " threads", judged: judged, sample: func() (float64, error) { n, err := it.NumThreads(); return float64(n), err }},
		{name: name + " file descriptors", judged: judged, sample: func() (float64, error) { n, err := it.NumFDs(); return float64(n), err }},
	}
}

// ownMemory is what a process holds, in MiB, besides pages of its program's file: those
// grow in number for as long as there is code that is run for the first time, and the
// system takes them back when it likes (proc_pid_status(5), RssAnon).
func ownMemory(pid int32) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "RssAnon: %f kB", &kib); n == 1 {
			return kib / 1024, nil
		}
	}
	return 0, fmt.Errorf("process %d tells no RssAnon", pid)
}

// goroutines are those that a process tells of itself.
func goroutines(t testing.TB, p *process.Process) *series {
	t.Helper()
	lines := p.Logged("metrics are served")
	if len(lines) == 0 {
		t.Fatalf("%s serves no metrics", p)
	}
	name := strings.Split(p.String(), "[")[0]
	return &series{name: name + " goroutines", judged: true, sample: func() (float64, error) {
		answer, err := http.Get("http://" + lines[0].Address + "/metrics")
		if err != nil {
			return 0, err
		}
		defer answer.Body.Close()
		metrics := bufio.NewScanner(answer.Body)
		for metrics.Scan() {
			if n, ok := strings.CutPrefix(metrics.Text(), "go_goroutines "); ok {
				return strconv.ParseFloat(n, 64)
			}
		}
		return 0, errors.Join(errors.New(name+" doesn't tell its goroutines"), metrics.Err())
	}}
}

// soak submits at a steady rate, samples, waits for the end of all and returns how
// many that were. It samples from the beginning on: that costs memory, too.
func (f *fleet) soak(t testing.TB, all []*series) int {
	t.Helper()
	began, each := time.Now(), time.Second/time.Duration(*soakRate)
	warm := began.Add(time.Duration(soakWarmUp * float64(*soakLasts)))
	tick := time.NewTicker(each / soakHaste)
	defer tick.Stop()
	n, next, warming := 0, began, true
	for ; time.Since(began) < *soakLasts; n++ {
		<-tick.C
		if warming && time.Now().After(warm) {
			warming = false
			tick.Reset(each)
		}
		if _, err := f.producer.Submit(t.Context(), ordinary.submission(keyOf("soak", n), 10)); err != nil {
			t.Fatal(err)
		}
		if time.Now().Before(next) {
			continue
		}
		next = next.Add(*soakLasts / soakSamples)
		for _, s := range all {
			v, err := s.sample()
			if err != nil {
				t.Fatal(err)
			}
			if !warming {
				s.minutes, s.values = append(s.minutes, time.Since(began).Minutes()), append(s.values, v)
			}
		}
	}
	process.Eventually(t, time.Minute, "everything has ended", func() bool { return f.idle(t) })
	for i := range n {
		if o := f.read(t, keyOf("soak", i)); o.Kind != execution.Succeeded {
			t.Errorf("%s ended %q: %v", keyOf("soak", i), o.Kind, o.Fault)
		}
	}
	return n
}

// trend is the slope per minute: the median of the slopes between any two samples,
// which a burst of other work on the machine does not bend (Sen 1968, "Estimates of
// the regression coefficient based on Kendall's tau"). least is the lower end of
// its 95 % confidence interval; flat, that it can't be told from no growth, or is
// too little to matter.
func (s *series) trend() (slope, least float64, flat bool) {
	n := len(s.values)
	if n < 3 {
		return 0, 0, true
	}
	slopes := make([]float64, 0, n*(n-1)/2)
	for i := range n {
		for j := range i {
			slopes = append(slopes, (s.values[i]-s.values[j])/(s.minutes[i]-s.minutes[j]))
		}
	}
	slices.Sort(slopes)
	half := 1.96 * math.Sqrt(float64(n*(n-1)*(2*n+5))/18) / 2
	slope, least = slopes[len(slopes)/2], slopes[max(len(slopes)/2-int(half), 0)]
	return slope, least, least <= 0 || slope <= steady*median(s.values)
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

func tabulate(all []*series) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tfirst\tlast\tper minute\tat least\tverdict")
	for _, s := range all {
		if len(s.values) == 0 {
			continue
		}
		slope, least, flat := s.trend()
		verdict := map[bool]string{true: "flat", false: "grows"}[flat]
		fmt.Fprintf(w, "%s\t%.1f %s\t%.1f %s\t%+.3f\t%+.3f\t%s\n", s.name, s.values[0], s.unit, s.values[len(s.values)-1], s.unit, slope, least, verdict)
	}
	_ = w.Flush()
	return b.String()
}

// A trend that is never seen proves nothing.
func TestTrend(t *testing.T) {
	tests := map[string]struct {
		at   func(i int) float64
		flat bool
	}{
		"constant":         {func(int) float64 { return 100 }, true},
		"falls":            {func(i int) float64 { return 100 - float64(i) }, true},
		"bursts":           {func(i int) float64 { return 100 + 50*float64(i/90) }, true},
		"goes up and down": {func(i int) float64 { return 100 + 10*math.Sin(float64(i)) }, true},
		"grows":            {func(i int) float64 { return 100 + float64(i)/10 }, false},
		"grows in noise":   {func(i int) float64 { return 100 + float64(i)/10 + math.Sin(float64(i)) }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &series{}
			for i := range 100 {
				s.minutes, s.values = append(s.minutes, float64(i)/10), append(s.values, tt.at(i))
			}
			if slope, least, flat := s.trend(); flat != tt.flat {
				t.Errorf("slope %v, at least %v: flat %v, want %v", slope, least, flat, tt.flat)
			}
		})
	}
}
