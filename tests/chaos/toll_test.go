package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/tests/process"
)

// toll is what a campaign did, and what came of it.
type toll struct {
	times map[string]int // that a class of fault was felt
	quiet time.Duration  // until everything had ended; -1 if that didn't come
}

func (tl *toll) count(class string, felt bool) {
	if tl.times == nil {
		tl.times = map[string]int{}
	}
	if felt {
		tl.times[class]++
	} else {
		tl.times[class] += 0 // so that it is missed
	}
}

// judge compares everything that is kept, and every client's view of it.
func (c *campaign) judge(quiet bool) {
	l := c.load
	if quiet {
		for _, k := range l.accepted {
			call := time.Now()
			l.journal.note(k, settled{}, nil, call)
		}
		l.lookAgain()
	}
	report, code := c.verify()
	faults := 0
	for _, class := range slices.Sorted(maps.Keys(c.toll.times)) {
		n := c.toll.times[class]
		faults += n
		if n < *campaignTimes {
			c.t.Errorf("%q happened %d times, want at least %d", class, n, *campaignTimes)
		}
	}
	violations := 0
	for _, n := range report.Violations {
		violations += n
	}
	if code != 0 || violations > 0 {
		c.t.Errorf("sage verify ends with %d\n%s", code, report.Explain())
	}
	if faults > 0 && report.Large == 0 || report.Gone > 0 { // without faults there are only probes
		c.t.Errorf("%d large results were read, %d are gone", report.Large, report.Gone)
	}
	if len(l.strange) > 0 {
		c.t.Errorf("%d ended as they shouldn't:\n%s", len(l.strange), strings.Join(l.strange[:min(len(l.strange), 50)], "\n"))
	}
	if report.Refused < l.refused {
		c.t.Errorf("%d messages that are no request were accepted by the queue, %d are dead letters", l.refused, report.Refused)
	}
	l.journal.check(c.t)
	c.t.Logf("\n%s", c.toll.table(c, report, faults, violations))
	c.keepLogs()
}

// verify runs the command that operators run.
func (c *campaign) verify() (report history.Report, code int) {
	var list strings.Builder
	for _, k := range c.load.accepted {
		fmt.Fprintf(&list, "%s:%s:%d\n", k.Mailbox, k.ID, k.Generation)
	}
	file := filepath.Join(c.t.TempDir(), "accepted")
	if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	vars := maps.Clone(c.vars)
	vars["NATS_URL"], vars["STORAGE_URL"] = c.cluster.urls(), c.direct
	p := process.Start(c.t, program("sage"), vars, "verify", "--ended", "--bytes", "--accepted", file, "--json")
	code = p.Exit(c.t, 2*time.Minute)
	for line := range strings.Lines(p.Tail(64 << 20)) {
		if strings.HasPrefix(line, `{"accepted"`) {
			if err := json.Unmarshal([]byte(line), &report); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	if report.Accepted == 0 {
		c.t.Errorf("sage verify says %s", p.Tail(4<<10))
	}
	return report, code
}

func (tl *toll) table(c *campaign, r history.Report, faults, violations int) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(what string, n any) { fmt.Fprintf(w, "%s\t%v\n", what, n) }
	for _, class := range slices.Sorted(maps.Keys(tl.times)) {
		line(class, tl.times[class])
	}
	line("faults", faults)
	line("", "")
	line("accepted", len(c.load.accepted))
	line("submissions repeated", c.load.repeats.Load())
	line("terminal", fmt.Sprintf("%d (%d succeeded, %d dead, %d cancelled)", r.Succeeded+r.Dead+r.Cancelled, r.Succeeded, r.Dead, r.Cancelled))
	line("by", fmt.Sprint(r.ByExecutor))
	line("refused messages", r.Refused)
	line("lost", r.Lost)
	line("doubled", r.Doubled)
	line("violations", violations)
	line("results compared", fmt.Sprintf("%d bytes, %d large ones", r.Hashed, r.Large))
	line("operations checked", c.load.journal.size())
	line("time to quiet", tl.quiet.Round(100*time.Millisecond))
	_ = w.Flush()
	return b.String()
}

// keepLogs writes what every service said where the test's artifacts are kept.
func (c *campaign) keepLogs() {
	if !c.t.Failed() {
		return
	}
	dir := c.t.ArtifactDir()
	keep := func(p *process.Process) {
		if err := os.WriteFile(filepath.Join(dir, p.String()+".log"), []byte(p.Tail(1<<30)), 0o600); err != nil {
			c.t.Log(err)
		}
	}
	for _, p := range c.all {
		keep(p)
	}
	c.t.Logf("the logs are in %s", dir)
}
