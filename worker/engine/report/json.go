package report

import (
	"bytes"
	_ "embed" // of the schema
	"encoding/json"
	"time"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine"
)

// Schema is the JSON schema (draft 2020-12) that every report.json satisfies.
//
//go:embed schema.json
var Schema []byte

// document is report.json. The keys are the original's.
type document struct {
	Execution  executionInfo  `json:"execution_info"`
	Summary    summary        `json:"summary"`
	Files      filesSection   `json:"files"`
	Validation validationInfo `json:"validation"`
	Events     []event        `json:"events"`
}

type executionInfo struct {
	ExecutionID string  `json:"execution_id,omitempty"`
	Start       string  `json:"start_time"`
	End         string  `json:"end_time"`
	Duration    float64 `json:"duration"` // seconds
	Directory   string  `json:"log_directory"`
	Mailbox     string  `json:"casilla_id"`
	Sender      string  `json:"emisor_id"`
	Method      string  `json:"metodo_envio"`
	Cached      string  `json:"cached_from,omitempty"`
}

type summary struct {
	Records  int     `json:"total_records"`
	Errors   int     `json:"errors"`
	Warnings int     `json:"warnings"`
	Rate     float64 `json:"success_rate"`
	Status   string  `json:"status"`
}

type filesSection struct {
	Statistics map[string]statistics `json:"statistics"`
	Missing    []missingFile         `json:"missing_files"`
	Format     []formatError         `json:"format_errors"`
}

type statistics struct {
	Records  int `json:"records"`
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
}

type missingFile struct {
	Filename string `json:"filename"`
	Package  string `json:"package"`
}

type formatError struct {
	Message  string `json:"message"`
	File     string `json:"file"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

type validationInfo struct {
	Failures []failure    `json:"failures"`
	Skipped  skippedRules `json:"skipped_rules"`
}

// failure is one row of a finding, or a finding that has no rows.
type failure struct {
	Timestamp string `json:"timestamp"`
	Severity  string `json:"severity"`
	Message   string `json:"message"`
	Type      string `json:"type"`
	File      string `json:"file"`
	Line      *int   `json:"line"`
	Column    string `json:"column"`
	Field     string `json:"field"`
	Rule      string `json:"rule"`
	Value     any    `json:"value"`
	Expected  string `json:"expected"`
	Found     string `json:"found"`
	Row       *int   `json:"row"`
}

// skippedRules are the rules of which not every failing row is listed. All of
// their rows are counted.
type skippedRules struct {
	Field   []skippedRule `json:"field_rules"`
	Row     []skippedRule `json:"row_rules"`
	Catalog []skippedRule `json:"catalog_rules"`
}

type skippedRule struct {
	File   string `json:"file"`
	Field  string `json:"field,omitempty"`
	Rule   string `json:"rule"`
	Rows   int    `json:"rows"`
	Listed int    `json:"listed"`
}

type event struct {
	Timestamp string         `json:"timestamp"`
	Severity  string         `json:"severity"`
	Message   string         `json:"message"`
	Details   map[string]any `json:"details"`
}

var typeNames = map[engine.Kind]string{
	engine.MissingFile: "missing_file", engine.EmptyFile: "structure", engine.Columns: "structure", engine.NearMiss: "structure",
	engine.Surplus: "structure", engine.Trailing: "structure", engine.Type: "type", engine.Missing: "required", engine.Duplicate: "unique",
	engine.FieldRule: "field_rule", engine.RowRule: "row_rule", engine.CatalogRule: "catalog_rule", engine.PackageRule: "package_rule",
}

// JSON renders report.json.
func (r *Report) JSON() ([]byte, error) {
	d := document{
		Execution: executionInfo{
			ExecutionID: r.Info.Execution, Start: stamp(r.Info.Start), End: stamp(r.Info.End),
			Duration: r.Info.End.Sub(r.Info.Start).Round(time.Millisecond).Seconds(), Directory: r.Info.Directory,
			Mailbox: r.Info.Mailbox, Sender: r.Info.Sender, Method: r.Info.Method,
		},
		Summary: summary{r.Result.Records, r.Errors(), r.Result.Warnings, r.successRate(), r.Status()},
		Files: filesSection{
			Statistics: map[string]statistics{}, Missing: []missingFile{}, Format: []formatError{},
		},
		Validation: validationInfo{Failures: []failure{}, Skipped: skippedRules{[]skippedRule{}, []skippedRule{}, []skippedRule{}}},
		Events:     r.events(),
	}
	if r.Info.Cached != nil {
		d.Execution.Cached = r.Info.Cached.ExecutionID
	}
	for _, f := range r.Result.Files {
		d.Files.Statistics[f.Name] = statistics{f.Records, f.Errors, f.Warnings}
	}
	for _, p := range r.Problems {
		d.Validation.Failures = append(d.Validation.Failures, r.problem(p))
	}
	for i := range r.Result.Findings {
		r.section(&d, &r.Result.Findings[i])
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(d)
	return out.Bytes(), err
}

func stamp(t time.Time) string { return t.Format(time.RFC3339) }

// section puts a finding where the original has it.
func (r *Report) section(d *document, f *engine.Finding) {
	l := r.text()
	switch f.Kind {
	case engine.MissingFile:
		d.Files.Missing = append(d.Files.Missing, missingFile{f.File, r.Result.Package})
		return
	case engine.Columns:
		expected, found := l.columnCounts(f.Columns)
		d.Files.Format = append(d.Files.Format, formatError{l.message(f), f.File, expected, found})
		return
	}
	d.Validation.Failures = append(d.Validation.Failures, r.failures(f)...)
	if f.Rule == nil || f.Rows <= len(f.Details) {
		return
	}
	skipped := skippedRule{f.File, f.Field, f.Rule.Name, f.Rows, len(f.Details)}
	switch s := &d.Validation.Skipped; f.Kind {
	case engine.FieldRule:
		s.Field = append(s.Field, skipped)
	case engine.RowRule:
		s.Row = append(s.Row, skipped)
	default:
		s.Catalog = append(s.Catalog, skipped)
	}
}

// failures are the entries of one finding.
func (r *Report) failures(f *engine.Finding) []failure {
	l := r.text()
	base := failure{
		Timestamp: stamp(r.Info.End), Severity: f.Severity.String(), Message: l.message(f), Type: typeNames[f.Kind],
		File: f.File, Column: f.Field, Field: f.Field,
	}
	if f.Rule != nil {
		base.Rule = f.Rule.Source
	}
	switch f.Kind {
	case engine.Type:
		base.Expected = f.FieldType.String()
	case engine.NearMiss:
		base.Expected, base.Found = f.Field, f.Found
	}
	if len(f.Details) == 0 || f.Kind == engine.CatalogRule || f.Kind == engine.PackageRule {
		return []failure{base}
	}
	entries := make([]failure, len(f.Details))
	for i := range f.Details {
		detail := &f.Details[i]
		entry := base
		entry.Message = l.rowMessage(f, detail)
		entry.Row = &detail.Row
		if detail.Line > 0 {
			entry.Line = &detail.Line
		}
		entry.Value = jsonValue(detail.Value)
		if f.Kind == engine.Type {
			entry.Found = detail.Value.Text
		}
		entries[i] = entry
	}
	return entries
}

func jsonValue(v engine.Value) any {
	switch {
	case v.Null:
		return nil
	case v.Number && json.Valid([]byte(v.Text)):
		return json.RawMessage(v.Text)
	default:
		return v.Text
	}
}

func (r *Report) problem(p *fault.Error) failure {
	e := failure{
		Timestamp: stamp(r.Info.End), Severity: spec.Error.String(), Message: r.text().fault(p), Type: "unreadable",
		File: p.File, Field: p.Field, Column: p.Field, Expected: p.Expected, Found: p.Message, Rule: string(p.Code),
	}
	if p.Line > 0 {
		e.Line = &p.Line
	}
	return e
}

// events are the story of the execution, in order.
func (r *Report) events() []event {
	l := r.text()
	start, end := stamp(r.Info.Start), stamp(r.Info.End)
	events := []event{{start, "info", l.started, map[string]any{"file": r.Info.Data}}}
	for _, a := range r.Advice {
		events = append(events, event{start, "warning", l.fault(a), faultDetails(a)})
	}
	for _, p := range r.Problems {
		events = append(events, event{end, "error", l.fault(p), faultDetails(p)})
	}
	for i := range r.Result.Notes {
		n := &r.Result.Notes[i]
		details := map[string]any{"file": n.File}
		if len(n.Names) > 0 {
			details["files"] = n.Names
		}
		events = append(events, event{end, "info", l.noteText(n), details})
	}
	for i := range r.Result.Findings {
		f := &r.Result.Findings[i]
		details := map[string]any{"type": typeNames[f.Kind], "file": f.File, "count": f.Count, "rows": f.Rows, "listed": len(f.Details)}
		if f.Rule != nil {
			details["rule"] = f.Rule.Name
		}
		if f.Columns != nil {
			details["missing"], details["extra"] = f.Columns.Missing, f.Columns.Extra
		}
		if f.Broken != nil {
			details["code"] = string(f.Broken.Code)
		}
		if f.Rule != nil && (f.Kind == engine.CatalogRule || f.Kind == engine.PackageRule) && len(f.Details) > 0 {
			details["lines"] = lines(f.Details)
		}
		severity := f.Severity.String()
		if f.Severity == spec.Message {
			severity = "info"
		}
		events = append(events, event{end, severity, l.message(f), details})
	}
	return append(events, event{end, "info", l.finished, map[string]any{
		"status": r.Status(), "records": r.Result.Records, "errors": r.Errors(), "warnings": r.Result.Warnings,
	}})
}

func lines(details []engine.Detail) []int {
	lines := make([]int, len(details))
	for i, d := range details {
		lines[i] = d.Line
	}
	return lines
}

func faultDetails(e *fault.Error) map[string]any {
	details := map[string]any{"code": string(e.Code)}
	for key, text := range map[string]string{"expected": e.Expected, "hint": e.Hint, "file": e.File} {
		if text != "" {
			details[key] = text
		}
	}
	if e.Line > 0 {
		details["line"], details["column"] = e.Line, e.Column
	}
	return details
}
