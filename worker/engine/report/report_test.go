package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine"
	"github.com/sagefleet/sagefleet/worker/engine/report"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const hostile = `<script>alert("1")</script>'&` + "\x1b[31m\x00\u202e"

// sample has one finding of every kind, with values that try to break out.
func sample(language string) *report.Report {
	rule := &spec.Rule{Name: hostile, Description: hostile, Source: "df['" + hostile + "'] > 0", Severity: spec.Warning}
	value := []engine.Detail{
		{Line: 2, Row: 1, Value: engine.Value{Text: hostile}},
		{Line: 3, Row: 2, Value: engine.Value{Text: "1.50", Number: true}},
		{Line: 4, Row: 3, Value: engine.Value{Text: "007", Number: true}}, // no JSON number
		{Row: 4, Value: engine.Value{Null: true}},
	}
	r := &engine.Result{Package: "p", Files: []engine.FileStats{{Name: "a.csv", Catalog: "a", Records: 40}}, Records: 40}
	for kind := engine.MissingFile; kind <= engine.PackageRule; kind++ {
		f := engine.Finding{Kind: kind, Severity: spec.Error, Catalog: "a", File: "a.csv", Field: hostile, FieldType: spec.Decimal, Count: 4, Details: value}
		if kind >= engine.FieldRule {
			f.Rule, f.Severity, f.Rows, f.Count = rule, spec.Warning, 12, 1
		}
		if kind == engine.Columns {
			f.Columns = &engine.ColumnDiff{Expected: 2, Found: 2, Missing: []string{"x"}, Extra: []string{hostile}}
		}
		r.Add(f)
	}
	r.Add(engine.Finding{Kind: engine.RowRule, Severity: spec.Error, Rule: rule, Count: 1, Broken: fault.New(spec.CodeRuleName, "the name %s is not known", hostile)})
	r.Add(engine.Finding{Kind: engine.RowRule, Severity: spec.Message, Rule: rule, Count: 3, Details: value[:1]})
	for kind := engine.NoteLatin1; kind <= engine.NoteExtraFiles; kind++ {
		r.Notes = append(r.Notes, engine.Note{Kind: kind, File: "a.csv", Field: hostile, Count: 2, Names: []string{hostile}})
	}
	return &report.Report{
		Result: r, Info: report.Info{Data: hostile + ".csv", Language: language, Start: start, End: start.Add(1500 * time.Millisecond)},
		Problems: []*fault.Error{fault.New("INPUT_ENCODING", "bytes: %s", hostile).At("a.csv", 3, 1)},
		Advice:   []*fault.Error{fault.New("CONFIG_UNKNOWN_KEY", "the key %s", hostile).At("c.yaml", 9, 2)},
	}
}

func files(t *testing.T, r *report.Report) map[string]string {
	t.Helper()
	list, err := r.Files()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range list {
		out[f.Name] = string(f.Data)
	}
	return out
}

func validate(t *testing.T, data string) {
	t.Helper()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(report.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("report.json", schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(instance); err != nil {
		t.Errorf("%v\n%s", err, data)
	}
}

func TestJSONSatisfiesItsSchema(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*report.Report{
		"everything, es": sample("es"), "everything, en": sample("en"),
		"nothing": {Result: &engine.Result{}, Info: report.Info{Start: start, End: start}},
	} {
		t.Run(name, func(t *testing.T) { validate(t, files(t, r)[report.JSONName]) })
	}
}

func TestJSONKeepsValues(t *testing.T) {
	t.Parallel()
	var doc struct {
		Validation struct {
			Failures []struct {
				Type, Message string
				Line          *int
				Value         any
			}
			Skipped map[string][]map[string]any `json:"skipped_rules"`
		}
		Files struct {
			Format []map[string]string `json:"format_errors"`
		}
	}
	if err := json.Unmarshal([]byte(files(t, sample("es"))[report.JSONName]), &doc); err != nil {
		t.Fatal(err)
	}
	var values []any
	for _, f := range doc.Validation.Failures {
		if f.Type == "type" {
			values = append(values, f.Value)
		}
	}
	if d := cmp.Diff([]any{hostile, 1.5, "007", nil}, values); d != "" {
		t.Errorf("values (-want +got)\n%s", d)
	}
	if skipped := doc.Validation.Skipped["field_rules"]; len(skipped) != 1 || skipped[0]["rows"] != 12.0 || skipped[0]["listed"] != 4.0 {
		t.Errorf("skipped field rules %v, want the one with 12 rows of which 4 are listed", skipped)
	}
	want := []map[string]string{{
		"message": "Error de columnas: los nombres no coinciden con la configuración", "file": "a.csv",
		"expected": "2 columnas (faltan: x)", "found": "2 columnas (sobran: " + hostile + ")",
	}}
	if d := cmp.Diff(want, doc.Files.Format); d != "" {
		t.Errorf("format errors (-want +got)\n%s", d)
	}
}

func TestHTMLIsInert(t *testing.T) {
	t.Parallel()
	html := files(t, sample("es"))[report.HTMLName]
	for _, forbidden := range []string{"<script", "alert(\"1\")", "src=", "href=", "url(", "http:", "https:", "onload", "\x00"} {
		if strings.Contains(html, forbidden) {
			t.Errorf("the page contains %q", forbidden)
		}
	}
	for _, wanted := range []string{
		`<html lang="es">`, `content="default-src 'none'; style-src 'unsafe-inline'"`, `name="viewport"`, "prefers-color-scheme:dark",
		"&lt;script&gt;", "El archivo no está en UTF-8", "se muestran las primeras 4 de 12 filas",
	} {
		if !strings.Contains(html, wanted) {
			t.Errorf("the page lacks %q", wanted)
		}
	}
	for _, tag := range []string{"main", "section", "table", "ul", "div", "h3", "td", "code"} {
		if open, closed := strings.Count(html, "<"+tag+">")+strings.Count(html, "<"+tag+" "), strings.Count(html, "</"+tag+">"); open != closed {
			t.Errorf("%d <%s> and %d </%s>", open, tag, closed, tag)
		}
	}
}

// TestTextsStayOnTheirLines: what comes from files can't add lines to a log nor
// reach a terminal as a command.
func TestTextsStayOnTheirLines(t *testing.T) {
	t.Parallel()
	all := files(t, sample("en"))
	for _, name := range []string{report.ResultsName, report.OutputName, report.ErrorName} {
		if strings.ContainsAny(all[name], "\x1b\x00\u202e\r") {
			t.Errorf("%s has control characters:\n%q", name, all[name])
		}
	}
	for line := range strings.Lines(all[report.ErrorName]) {
		if !strings.Contains(line, " ERROR ") {
			t.Errorf("error.log has %q", line)
		}
	}
	if !strings.Contains(all[report.OutputName], " WARNING ") || !strings.Contains(all[report.OutputName], " INFO ") {
		t.Errorf("output.log lacks warnings or information:\n%s", all[report.OutputName])
	}
}

func TestStatusAndRate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		result engine.Result
		status string
		rate   float64
	}{
		"clean":           {engine.Result{Records: 3}, report.Success, 100},
		"no records":      {engine.Result{}, report.Success, 0},
		"warnings":        {engine.Result{Records: 3, Warnings: 9}, report.Partial, 100},
		"errors":          {engine.Result{Records: 3, Errors: 1}, report.Failed, 66.67},
		"more than there": {engine.Result{Records: 3, Errors: 8}, report.Failed, 0},
	}
	for name, tt := range tests {
		var doc struct {
			Summary struct {
				Status string
				Rate   float64 `json:"success_rate"`
			}
		}
		r := &report.Report{Result: &tt.result}
		if err := json.Unmarshal([]byte(files(t, r)[report.JSONName]), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Summary.Status != tt.status || doc.Summary.Rate != tt.rate {
			t.Errorf("%s: %+v, want %s, %v", name, doc.Summary, tt.status, tt.rate)
		}
	}
}

func TestDecimalCommaIsExplained(t *testing.T) {
	t.Parallel()
	r := &report.Report{Result: &engine.Result{}}
	r.Result.Add(engine.Finding{Kind: engine.Type, Severity: spec.Error, Field: "precio", FieldType: spec.Decimal, Count: 1,
		Details: []engine.Detail{{Line: 2, Row: 1, Value: engine.Value{Text: "1,5"}}}})
	if data := files(t, r)[report.JSONName]; !strings.Contains(data, "con punto, no con coma") {
		t.Errorf("nothing about the comma in\n%s", data)
	}
}

func TestReportIsDeterministic(t *testing.T) {
	t.Parallel()
	if d := cmp.Diff(files(t, sample("es")), files(t, sample("es"))); d != "" {
		t.Error(d)
	}
}
