package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pastFile is two bursts that one worker of one slot can't end in time alone.
func pastFile(t *testing.T) string {
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(s int) string { return begin.Add(time.Duration(s) * time.Second).Format(time.RFC3339Nano) }
	text := "enqueued,started,finished,executor,init_ms,bytes\n"
	for burst := range 2 {
		for i := range 30 {
			from := 600 * burst
			text += fmt.Sprintf("%s,%s,%s,worker,,1000000\n", at(from), at(from+i), at(from+i+1))
		}
	}
	text += fmt.Sprintf("%s,%s,%s,lambda,500,1000000\n", at(1300), at(1300), at(1302))
	return file(t, "past.csv", text)
}

func TestPlanFromAFile(t *testing.T) {
	t.Parallel()
	past := pastFile(t)
	args := []string{"plan", "--from", past, "--deadline", "10s", "--slots", "1", "--replicas", "1,4", "--policy", "local"}
	r := sage(t.Context(), args...)
	r.args = []string{"plan", "--from", "past.csv", "--deadline", "10s", "--slots", "1", "--replicas", "1,4", "--policy", "local"}
	if r.code != exitOK {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	compare(t, "plan.golden", r)

	var p plan
	r = sage(t.Context(), append(args, "--json")...)
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil {
		t.Fatal(err)
	}
	missed := map[string]float64{}
	for _, o := range p.Options {
		missed[fmt.Sprint(o.Policy, o.Replicas)] = o.Missed
	}
	if missed["local1"] < 60 || missed["sized1"] > 5 || missed["local4"] != 0 {
		t.Errorf("missed: %v", missed)
	}
	if p.Observed.P99 != 30 || p.Replay.P99 < 28 || p.Replay.P99 > 32 {
		t.Errorf("the replay of one worker alone: p99 %v s; it was %v s", p.Replay.P99, p.Observed.P99)
	}
	if r = sage(t.Context(), append(args, "--csv")...); strings.Count(r.stdout, "\n") != len(p.Options)+1 {
		t.Errorf("%d options as CSV:\n%s", len(p.Options), r.stdout)
	}
}

func TestPlanDraws(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	svg, html := filepath.Join(dir, "plan.svg"), filepath.Join(dir, "plan.html")
	r := sage(t.Context(), "plan", "--from", pastFile(t), "--deadline", "10s", "--slots", "1", "--replicas", "1,4", "--svg", svg, "--html", html, "--json")
	var p plan
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil || r.code != exitOK {
		t.Fatalf("exit %d, %v: %s", r.code, err, r.stderr)
	}
	for _, name := range []string{svg, html} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), `class="point `); n != len(p.Options) {
			t.Errorf("%s: %d points for %d options", name, n, len(p.Options))
		}
	}
	page, _ := os.ReadFile(html)
	for _, want := range []string{p.verdict(), "calibration", "as it was", "total $/1000"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page doesn't say %q", want)
		}
	}
	if r := sage(t.Context(), "plan", "--from", pastFile(t), "--deadline", "10s", "--svg", dir); r.code != exitFailed {
		t.Errorf("a folder instead of a file: exit %d", r.code)
	}
}

func TestPlanFromEvents(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.sage(t, exitFailed, "plan", "--deadline", "10s") // nothing has ended
	f.work(t)
	f.sage(t, exitOK, "submit", goodConfig, file(t, "clean.csv", csvData), "--id", "e1", "--mailbox", "ventas", "--wait", "--timeout", "30s")
	f.sage(t, exitFailed, "plan", "--deadline", "10s", "--mailbox", "pagos")
	r := f.sage(t, exitOK, "plan", "--deadline", "10s", "--replicas", "1", "--json")
	var p plan
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil || p.Assumed.Jobs != 1 || p.Assumed.Sized != 1 || p.Observed.Jobs != 1 || len(p.Options) == 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestPlanRefusesWhatItCannotRead(t *testing.T) {
	t.Parallel()
	const header = "enqueued,started,finished,executor\n"
	for name, tt := range map[string]struct{ file, text, want string }{
		"no time":       {"a.csv", header + "yesterday,,,worker\n", "line 2"},
		"no executor":   {"b.csv", header + "2026-11-23T12:00:00Z,2026-11-23T12:00:00Z,2026-11-23T12:00:01Z,me\n", "executor"},
		"missing":       {"c.jsonl", `{"executor":"worker"}`, "missing"},
		"not JSON":      {"d.jsonl", "?", "line 1"},
		"nothing in it": {"e.csv", header, "no past executions"},
	} {
		r := sage(t.Context(), "plan", "--deadline", "10s", "--from", file(t, tt.file, tt.text))
		if r.code != exitFailed || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: exit %d, %q", name, r.code, r.stderr)
		}
	}
	if r := sage(t.Context(), "plan", "--deadline", "10s", "--replicas", "0", "--from", pastFile(t)); r.code != exitFailed || !strings.Contains(r.stderr, "--replicas") {
		t.Errorf("exit %d, %q", r.code, r.stderr)
	}
}
