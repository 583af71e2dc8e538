package processor_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/engine/report"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// FuzzProcess: whatever a file holds, there is a report, the same for the same
// bytes, whose counts add up and whose lines are in the file; and no file is left
// behind.
func FuzzProcess(f *testing.F) {
	sales := []byte("cliente,total\nA,1\nB,x\nZ\n\"q\nr\",3,4\n")
	f.Add(sales, uint8(0))
	f.Add(bytes.Repeat([]byte("a,b\n"), 40), uint8(0))
	f.Add([]byte("\xff\xfec\x00"), uint8(0))
	f.Add(workbook(f, "A", "B", "A"), uint8(1))
	f.Add(archive(f, map[string][]byte{"in/VENTAS.csv": sales, "clientes.xlsx": workbook(f, "A"), "leame.txt": nil}), uint8(2))
	f.Add(archive(f, map[string][]byte{"ventas.csv": sales}), uint8(2))
	path, left := filepath.Join(f.TempDir(), "data"), f.TempDir()
	f.Setenv("TMPDIR", left)
	f.Fuzz(func(t *testing.T, data []byte, kind uint8) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		name := []string{"ventas.csv", "clientes.xlsx", "todo.zip"}[kind%3]
		job := processor.Job{Config: []byte(config), ConfigName: "c.yaml", Inputs: []processor.Input{{Name: name, Path: path}},
			Language: "es", Now: func() time.Time { return time.Unix(0, 0).UTC() }}
		result, err := processor.Native{}.Process(t.Context(), job)
		again, err2 := processor.Native{}.Process(t.Context(), job)
		if d := cmp.Diff(result, again); d != "" || fault.CodeOf(err) != fault.CodeOf(err2) {
			t.Fatalf("%v, then %v:\n%s", err, err2, d)
		}
		if err != nil && (!fault.IsPermanent(err) || fault.CodeOf(err) == fault.Unclassified) {
			t.Fatalf("%v is no permanent fault with a code", err)
		}
		last := 1 << 20
		if name == "ventas.csv" {
			last = bytes.Count(data, []byte("\n")) + 1
		}
		checkReport(t, result, err, last)
		if files, err := os.ReadDir(left); err != nil || len(files) > 0 {
			t.Fatalf("left behind: %v, %v", files, err)
		}
	})
}

// checkReport holds a report.json to its result, and its lines to a file of that
// many.
func checkReport(t *testing.T, result processor.Result, problem error, last int) {
	t.Helper()
	var doc struct {
		Summary struct {
			Records  int `json:"total_records"`
			Errors   int
			Warnings int
		}
		Validation struct {
			Failures []struct{ Line, Row *int }
		}
		Events []struct {
			Severity string
			Details  struct{ Count, Rows, Listed int }
		}
	}
	if err := json.Unmarshal([]byte(content(result, report.JSONName)), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Summary.Records != result.Records || doc.Summary.Errors != result.Errors || doc.Summary.Warnings != result.Warnings {
		t.Fatalf("the summary %+v isn't that of %+v", doc.Summary, result)
	}
	for _, failure := range doc.Validation.Failures {
		if failure.Line != nil && (*failure.Line < 1 || *failure.Line > last) || failure.Row != nil && (*failure.Row < 1 || *failure.Row > result.Records) {
			t.Fatalf("line %v of %d, row %v of %d", *failure.Line, last, *failure.Row, result.Records)
		}
	}
	errors := 0
	for _, e := range doc.Events {
		d := e.Details
		if d.Count < 0 || d.Rows < 0 || d.Listed > max(d.Rows, d.Count) {
			t.Fatalf("%+v: more are listed than there are", e)
		}
		if e.Severity == "error" {
			errors += d.Count
		}
	}
	if problem == nil && errors != result.Errors || problem != nil && result.Errors == 0 {
		t.Fatalf("%d errors, the findings have %d (%v)", result.Errors, errors, problem)
	}
}

// FuzzCommand: whatever ENGINE_COMMAND and a request say, the program gets one
// argument for each word, and no value becomes an option.
func FuzzCommand(f *testing.F) {
	f.Add([]byte(`sage {config} {data} --sender={sender}`), "ana")
	f.Add([]byte(` ["python3","-m","sage","{config}","{data}","{sender}"]`), "--out=/etc")
	f.Add([]byte(`[`), "\x00")
	f.Fuzz(func(t *testing.T, text []byte, sender string) {
		var c, same processor.Command
		if err := c.UnmarshalText(text); err != nil {
			return
		}
		written, err := json.Marshal(c)
		if err != nil || same.UnmarshalText(written) != nil && c != nil {
			t.Fatalf("%q isn't read again: %v", written, err)
		}
		args, err := c.Expand(map[string]string{"{sender}": sender, "{config}": "c.yaml", "{data}": "{sender}"})
		if err != nil {
			if fault.CodeOf(err) != processor.CodeEngineArgument || !fault.IsPermanent(err) {
				t.Fatal(err)
			}
			return
		}
		if len(args) != len(c) {
			t.Fatalf("%q becomes %q", c, args)
		}
		for i, arg := range args {
			if strings.HasPrefix(arg, "-") != strings.HasPrefix(c[i], "-") || strings.ContainsRune(arg, 0) {
				t.Fatalf("%q becomes %q", c[i], arg)
			}
		}
	})
}
