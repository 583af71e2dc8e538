package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/tests/process"
)

// usage is what one run took.
type usage struct {
	took   time.Duration
	memory int64
}

// place is the folder of one run. Its in, cwd and tmp lie a few levels down, so
// that a name which climbs out of them still lands where it is noticed.
type place struct{ top, in, out, cwd, tmp string }

func newPlace(t *testing.T) place {
	t.Helper()
	top := t.TempDir()
	deep := filepath.Join(top, "a", "b", "c", "d")
	p := place{top, filepath.Join(deep, "in"), filepath.Join(deep, "out"), filepath.Join(deep, "cwd"), filepath.Join(deep, "tmp")}
	for _, dir := range []string{p.in, p.out, p.cwd, p.tmp} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{top, deep, p.in, p.cwd} {
		write(t, filepath.Join(dir, "canary.csv"), text("alive"), dir)
	}
	return p
}

func write(t *testing.T, name string, c content, dir string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c(file, dir), file.Close()); err != nil {
		t.Fatalf("generate %s: %v", filepath.Base(name), err)
	}
}

// state is everything under the folder but what is written into the folder of
// the reports.
func (p place) state(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(p.top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == p.out {
			return filepath.SkipDir
		}
		info, err := entry.Info()
		if err == nil {
			files[path] = info.Mode().String()
			if !entry.IsDir() {
				files[path] += info.ModTime().String()
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// examine runs the worker on a specimen and judges what it did.
func examine(t *testing.T, s specimen) usage {
	t.Helper()
	s = s.complete()
	p := newPlace(t)
	config, data := filepath.Join(p.in, "config.yaml"), filepath.Join(p.in, s.file)
	write(t, config, text(s.config), p.top)
	write(t, data, s.data, p.top)
	before := p.state(t)

	args := []string{"run", "--out", p.out, config, data}
	if !s.summary {
		args = append(args, "--json")
	}
	// Other packages' tests may have most of the machine: what counts against the
	// limit is the time the worker had, if that is less than what passed.
	ctx, cancel := context.WithTimeout(t.Context(), 4*maxTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, worker, args...)
	cmd.Dir = p.cwd
	cmd.Env = []string{"TMPDIR=" + p.tmp, "HOME=" + p.cwd}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	started := time.Now()
	err := cmd.Run()
	u := usage{took: time.Since(started)}
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	u.memory = process.PeakOf(cmd.ProcessState)
	u.took = min(u.took, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())

	switch exit := cmd.ProcessState.ExitCode(); {
	case ctx.Err() != nil || u.took > maxTime:
		t.Errorf("took %v, want at most %v", u.took, maxTime)
	case exit != s.exit:
		t.Errorf("exit %d, want %d", exit, s.exit)
	}
	if u.memory > maxMemory {
		t.Errorf("took %d MiB, want at most %d", u.memory>>20, maxMemory>>20)
	}
	if d := cmp.Diff(before, p.state(t)); d != "" {
		t.Errorf("the run left traces (-before +after)\n%s", d)
	}
	checkOutput(t, s, stdout.String(), stderr.String())
	checkReports(t, s, p.out)
	if t.Failed() {
		t.Logf("stdout: %.2000s\nstderr: %.2000s", &stdout, &stderr)
	}
	return u
}

func (s specimen) complete() specimen {
	if s.file == "" {
		s.file = "data.csv"
	}
	if s.data == nil {
		s.data = plainCSV
	}
	if s.config == "" {
		s.config = plainConfig
	}
	return s
}

// crash is what the Go runtime prints of a panic, a deadlock or a race.
var crash = regexp.MustCompile(`(?m)^(panic:|fatal error:|goroutine \d+|runtime: |WARNING: DATA RACE|SIG[A-Z]+:)`)

func checkOutput(t *testing.T, s specimen, stdout, stderr string) {
	t.Helper()
	if found := crash.FindString(stdout + "\n" + stderr); found != "" {
		t.Errorf("the output has %q", found)
	}
	if stderr != "" {
		t.Error("something was printed to stderr, though there is a report")
	}
	if strings.ContainsFunc(stdout, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 }) {
		t.Errorf("control characters reach the terminal: %.500q", stdout)
	}
	if !s.summary && (!json.Valid([]byte(stdout)) || strings.Count(stdout, "\n") != 1) {
		t.Error("--json printed something else than a line of JSON")
	}
}

// document is what is looked at of report.json.
type document struct {
	Summary struct {
		Errors int `json:"errors"`
	} `json:"summary"`
	Events []struct {
		Details struct {
			Code string `json:"code"`
			Type string `json:"type"`
		} `json:"details"`
	} `json:"events"`
}

func checkReports(t *testing.T, s specimen, out string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(out, "report.json"))
	if err != nil {
		t.Error(err)
		return
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		t.Errorf("report.json: %v", err)
	}
	signs := map[string]bool{}
	for _, e := range d.Events {
		signs[e.Details.Code], signs[e.Details.Type] = true, true
	}
	if s.code != "" && !signs[string(s.code)] {
		t.Errorf("report.json has the signs %v, want %s", signs, s.code)
	}
	if failed := s.exit != 0; failed != (d.Summary.Errors > 0) {
		t.Errorf("report.json has %d errors, and the exit code should be %d", d.Summary.Errors, s.exit)
	}
	if !bytes.Contains(data, []byte(s.says)) {
		t.Errorf("report.json doesn't say %q", s.says)
	}
	html, err := os.ReadFile(filepath.Join(out, "report.html"))
	if err != nil {
		t.Error(err)
		return
	}
	if s.payload != "" && bytes.Contains(html, []byte(s.payload)) {
		t.Errorf("report.html has %q as it stands", s.payload)
	}
	if bytes.Contains(bytes.ToLower(html), []byte("<script")) {
		t.Error("report.html has a script")
	}
}
