package processor_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/worker/engine/reader"
	"github.com/sagefleet/sagefleet/worker/engine/report"
	"github.com/sagefleet/sagefleet/worker/processor"
)

const config = `sage_yaml: {name: n, description: d, version: "1", author: a}
catalogs:
  v:
    name: ventas
    description: d
    filename: ventas.csv
    file_format: {type: CSV, delimiter: ",", header: true}
    fields:
      - {name: cliente, type: texto}
      - {name: total, type: decimal}
  x:
    name: clientes
    description: d
    filename: clientes.xlsx
    file_format: {type: EXCEL, header: true}
    fields:
      - {name: id, type: texto, unique: true}
packages:
  pz:
    name: z
    description: d
    file_format: {type: ZIP}
    catalogs: [v, x]
    package_validation:
      - {name: existe, description: el cliente existe, rule: "df['v']['cliente'].isin(df['x']['id'])"}
`

func save(t *testing.T, name string, data []byte) processor.Input {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file"+filepath.Ext(name))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return processor.Input{Name: name, Path: path}
}

// inMemory returns inputs as an executor hands over small files.
func inMemory(t *testing.T, inputs []processor.Input) []processor.Input {
	t.Helper()
	var loaded []processor.Input
	for _, input := range inputs {
		data, err := os.ReadFile(input.Path)
		if err != nil {
			t.Fatal(err)
		}
		loaded = append(loaded, processor.Input{Name: input.Name, Data: data})
	}
	return loaded
}

func workbook(t testing.TB, ids ...string) []byte {
	t.Helper()
	book := excelize.NewFile()
	defer book.Close()
	rows := append([]string{"id"}, ids...)
	if err := book.SetSheetCol("Sheet1", "A1", &rows); err != nil {
		t.Fatal(err)
	}
	buf, err := book.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func archive(t testing.TB, entries map[string][]byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for name, data := range entries {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestPackages(t *testing.T) {
	t.Parallel()
	sales := []byte("cliente,total\nA,1\nB,2\nZ,3\n")
	tests := map[string]struct {
		inputs []processor.Input
		want   processor.Result
		notes  string
	}{
		"a workbook inside the archive": {
			[]processor.Input{save(t, "d.zip", archive(t, map[string][]byte{"in/VENTAS.csv": sales, "clientes.xlsx": workbook(t, "A", "B"), "leame.txt": nil}))},
			processor.Result{Status: report.Failed, Records: 5, Errors: 1}, "leame.txt",
		},
		"a loose file of a catalog": {
			[]processor.Input{save(t, "d.ZIP", archive(t, map[string][]byte{"ventas.csv": sales})), save(t, "Clientes.xlsx", workbook(t, "A", "B", "Z", "A"))},
			processor.Result{Status: report.Failed, Records: 7, Errors: 1}, "",
		},
		"one catalog by itself": {
			[]processor.Input{save(t, "config.yaml", []byte(config)), save(t, "cualquiera.csv", sales)},
			processor.Result{Status: report.Success, Records: 3}, "",
		},
		"a missing file": {
			[]processor.Input{save(t, "d.zip", archive(t, map[string][]byte{"ventas.csv": sales}))},
			processor.Result{Status: report.Failed, Records: 3, Errors: 2}, "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := processor.Native{}.Process(t.Context(), processor.Job{Config: []byte(config), ConfigName: "config.yaml", Inputs: tt.inputs})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(content(got, report.OutputName), tt.notes) {
				t.Errorf("output.log doesn't mention %s:\n%s", tt.notes, content(got, report.OutputName))
			}
			findings := got.Findings
			got.Files, got.Findings = nil, nil
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got)\n%s%+v", d, findings)
			}
			loaded, err := processor.Native{}.Process(t.Context(),
				processor.Job{Config: []byte(config), ConfigName: "config.yaml", Inputs: inMemory(t, tt.inputs)})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(findings, loaded.Findings); d != "" {
				t.Errorf("from memory (-from files +got)\n%s", d)
			}
		})
	}
}

func content(r processor.Result, name string) string {
	for _, f := range r.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// TestPermanentErrorsAreReported: whatever can't be processed at all is a
// permanent error with a code, and a report that says so.
func TestPermanentErrorsAreReported(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config string
		inputs []processor.Input
		code   fault.Code
		errors int
	}{
		"two mistakes": {
			strings.NewReplacer("type: decimal", "type: number", "catalogs: [v, x]", "catalogs: [v, y]").Replace(config),
			[]processor.Input{save(t, "d.csv", []byte("cliente,total\n"))}, "", 2,
		},
		"no input":         {config, nil, processor.CodeNoInput, 1},
		"no such file":     {config, []processor.Input{{Name: "d.csv", Path: "/nowhere/d.csv"}}, processor.CodeInputMissing, 1},
		"another format":   {config, []processor.Input{save(t, "d.pdf", nil)}, spec.CodeSelectFormat, 1},
		"Excel 97":         {config, []processor.Input{save(t, "d.xls", nil)}, reader.CodeExcelOld, 1},
		"no archive":       {config, []processor.Input{save(t, "d.zip", []byte("x"))}, reader.CodeArchive, 1},
		"an open quote":    {config, []processor.Input{save(t, "d.csv", []byte("cliente,total\n\"a,1\n"))}, reader.CodeQuote, 1},
		"a NUL":            {config, []processor.Input{save(t, "d.csv", []byte("cliente,total\n\x00,1\n"))}, reader.CodeEncoding, 1},
		"a false workbook": {config, []processor.Input{save(t, "d.xlsx", []byte("x"))}, reader.CodeExcel, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := processor.Native{}.Process(t.Context(), processor.Job{Config: []byte(tt.config), ConfigName: "config.yaml", Inputs: tt.inputs})
			if !fault.IsPermanent(err) || tt.code != "" && fault.CodeOf(err) != tt.code {
				t.Fatalf("%v, want a permanent %s", err, tt.code)
			}
			if got.Status != report.Failed || got.Errors != tt.errors || len(got.Findings) != tt.errors {
				t.Errorf("%s with %d errors, %+v, want %d errors", got.Status, got.Errors, got.Findings, tt.errors)
			}
			if data := content(got, report.JSONName); !json.Valid([]byte(data)) || !strings.Contains(data, string(fault.CodeOf(err))) {
				t.Errorf("report.json doesn't say %s:\n%s", fault.CodeOf(err), data)
			}
		})
	}
}

func TestAnInterruptedJobHasNoResult(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := processor.Native{}.Process(ctx, processor.Job{Config: []byte(config), Inputs: []processor.Input{save(t, "d.csv", []byte("cliente,total\nA,1\n"))}})
	if err == nil || fault.IsPermanent(err) || got.Files != nil {
		t.Errorf("%+v, %v, want an error worth a retry and nothing else", got, err)
	}
}

func TestInfoAndLanguage(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	got, err := processor.Native{}.Process(t.Context(), processor.Job{
		Config: []byte(config), Language: "en", Now: func() time.Time { return now },
		Info:   processor.Info{ExecutionID: "e1", Mailbox: "m", Sender: "s", Method: "api"},
		Inputs: []processor.Input{save(t, "d.csv", []byte("cliente,total\nA,x\n"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Info map[string]any `json:"execution_info"`
	}
	if err := json.Unmarshal([]byte(content(got, report.JSONName)), &doc); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"execution_id": "e1", "casilla_id": "m", "emisor_id": "s", "metodo_envio": "api", "log_directory": "", "duration": 0.0,
		"start_time": "2026-03-01T00:00:00Z", "end_time": "2026-03-01T00:00:00Z",
	}
	if d := cmp.Diff(want, doc.Info); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if text := content(got, report.ResultsName); !strings.Contains(text, "must be a decimal number") {
		t.Errorf("not in English:\n%s", text)
	}
}

// TestSpooledWorkbooksAreRemoved: nothing of a job stays on the machine.
func TestSpooledWorkbooksAreRemoved(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	data := save(t, "d.zip", archive(t, map[string][]byte{"clientes.xlsx": workbook(t, "A"), "ventas.csv": []byte("cliente,total\n")}))
	if _, err := (processor.Native{}).Process(t.Context(), processor.Job{Config: []byte(config), Inputs: []processor.Input{data}}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasSuffix(e.Name(), ".xlsx") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestManyConfigurations(t *testing.T) {
	t.Parallel()
	data := save(t, "d.csv", []byte("cliente,total\nA,1\n"))
	for i := range 200 {
		for range 2 {
			job := processor.Job{Config: []byte(config + strings.Repeat("\n", i)), Inputs: []processor.Input{data}}
			if got, err := (processor.Native{}).Process(t.Context(), job); err != nil || got.Records != 1 {
				t.Fatalf("configuration %d: %+v, %v", i, got, err)
			}
		}
	}
}

func BenchmarkSmallJob(b *testing.B) {
	path := filepath.Join(b.TempDir(), "d.csv")
	if err := os.WriteFile(path, []byte("cliente,total\n"+strings.Repeat("A,1\n", 10)), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (processor.Native{}).Process(b.Context(), processor.Job{Config: []byte(config), Inputs: []processor.Input{{Name: "d.csv", Path: path}}}); err != nil {
			b.Fatal(err)
		}
	}
}
