package engine_test

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/worker/engine/report"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// expectation is what a case must come to: golden.json, the original's answer,
// unless expected.json beside it says otherwise and why.
type expectation struct {
	Reason   string         `json:"reason,omitempty"`
	Oddity   string         `json:"oddity,omitempty"`
	ExitCode int            `json:"exit_code"`
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
	Summary  *caseSummary   `json:"summary"`
	Files    *caseFiles     `json:"files"`
	Findings []*caseFinding `json:"findings"`
}

type caseSummary struct {
	Records  int     `json:"total_records"`
	Errors   int     `json:"errors"`
	Warnings int     `json:"warnings"`
	Rate     float64 `json:"success_rate"`
	Status   string  `json:"status"`
}

type caseFiles struct {
	Statistics map[string]struct{ Records, Errors, Warnings int } `json:"statistics"`
	Missing    []map[string]string                                `json:"missing_files"`
	Format     []map[string]string                                `json:"format_errors"`
}

// caseFinding is a finding as far as both engines have it in common: texts and
// values differ by design.
type caseFinding struct {
	Severity string `json:"severity"`
	Rule     string `json:"rule,omitempty"`
	Count    int    `json:"count"`
	Lines    []int  `json:"lines,omitempty"`
}

func TestReferenceCases(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("testdata/cases/*")
	if err != nil || len(dirs) != 41 {
		t.Fatalf("%d reference cases, %v, want 41", len(dirs), err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			want := expected(t, dir)
			got := process(t, dir)
			for _, e := range []*expectation{want, got} {
				normalise(e)
			}
			want.Reason, want.Oddity = "", ""
			if d := gocmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// expected reads what a case must come to. An expected.json has to give its
// reason, and an oddity has to have an expected.json.
func expected(t *testing.T, dir string) *expectation {
	t.Helper()
	golden, derived := &expectation{}, &expectation{}
	readJSON(t, filepath.Join(dir, "golden.json"), golden)
	if _, err := os.Stat(filepath.Join(dir, "expected.json")); err != nil {
		if golden.Oddity != "" {
			t.Fatalf("the original's answer is a defect, and there is no expected.json: %s", golden.Oddity)
		}
		return golden
	}
	readJSON(t, filepath.Join(dir, "expected.json"), derived)
	if derived.Reason == "" {
		t.Fatal("expected.json gives no reason")
	}
	return derived
}

// process runs a case and reads report.json back.
func process(t *testing.T, dir string) *expectation {
	t.Helper()
	data, err := filepath.Glob(filepath.Join(dir, "data.*"))
	if err != nil || len(data) != 1 {
		t.Fatalf("data files %q, %v", data, err)
	}
	config, err := os.ReadFile(filepath.Join(dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	result, err := processor.Native{}.Process(t.Context(), processor.Job{
		Config: config, ConfigName: "config.yaml",
		Inputs: []processor.Input{{Name: filepath.Base(data[0]), Path: data[0]}},
	})
	got := &expectation{Errors: result.Errors, Warnings: result.Warnings}
	switch {
	case err != nil:
		got.ExitCode = 2
	case result.Errors > 0:
		got.ExitCode = 1
	}
	for _, f := range result.Files {
		if f.Name == report.JSONName {
			got.read(t, f.Data)
		}
	}
	return got
}

func (e *expectation) read(t *testing.T, data []byte) {
	t.Helper()
	var doc struct {
		Summary    *caseSummary `json:"summary"`
		Files      *caseFiles   `json:"files"`
		Validation struct {
			Failures []struct {
				Severity, Type, Field, Rule, Message string
				Line                                 int
			} `json:"failures"`
			Skipped map[string][]struct {
				Field string `json:"field"`
				Rule  string `json:"rule"`
				Rows  int    `json:"rows"`
			} `json:"skipped_rules"`
		} `json:"validation"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	e.Summary, e.Files = doc.Summary, doc.Files
	for range len(doc.Files.Format) + len(doc.Files.Missing) {
		e.Findings = append(e.Findings, &caseFinding{Severity: "error", Count: 1})
	}
	byKey := map[string]*caseFinding{}
	for _, f := range doc.Validation.Failures {
		if f.Severity == "message" {
			continue // the original says nothing of them
		}
		key := strings.Join([]string{f.Severity, f.Type, f.Field, f.Rule}, "\x00")
		finding := byKey[key]
		if finding == nil {
			finding = &caseFinding{Severity: f.Severity, Rule: f.Rule}
			byKey[key] = finding
			e.Findings = append(e.Findings, finding)
		}
		finding.Count++
		if f.Line > 0 && f.Type != "unreadable" {
			finding.Lines = append(finding.Lines, f.Line)
		}
	}
}

// normalise drops what the two reports say in different words: the rule where
// there are no lines to compare, the texts, and the order.
func normalise(e *expectation) {
	for _, f := range e.Findings {
		if len(f.Lines) == 0 {
			f.Rule = ""
		}
	}
	slices.SortStableFunc(e.Findings, func(a, b *caseFinding) int {
		return cmp.Or(strings.Compare(a.Severity, b.Severity), slices.Compare(a.Lines, b.Lines), strings.Compare(a.Rule, b.Rule), a.Count-b.Count)
	})
	if len(e.Findings) == 0 {
		e.Findings = nil
	}
	if e.Files == nil {
		e.Files = &caseFiles{}
	}
	for _, f := range e.Files.Format {
		delete(f, "file") // the original gives the catalog's file name, ours the file's own
	}
	if len(e.Files.Missing) == 0 {
		e.Files.Missing = nil
	}
	if len(e.Files.Format) == 0 {
		e.Files.Format = nil
	}
	if len(e.Files.Statistics) == 0 {
		e.Files.Statistics = nil
	}
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
