package spec_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/spec"
)

var update = flag.Bool("update", false, "rewrite golden files")

const faulty = `sage_yaml: {name: n, description: d, version: '1', author: a, colour: red}
catalogs:
  c:
    name: c
    description: d
    filename: c.csv
    file_format: {type: CSV, delimiter: ",", header: true}
    fields:
      - {name: código, type: texto}
      - {name: importe, type: dcimal}
    row_validation:
      - {name: largo, description: x, rule: "df['código'].str.len().between(1, 100) & df['código'].str.lower().notnull() & df['codigo'].str.match('a')"}
packages: {}
`

func TestPrint(t *testing.T) {
	t.Parallel()
	_, issues := spec.Parse("faulty.yaml", []byte(faulty))
	var text, data bytes.Buffer
	if err := spec.Print(&text, []byte(faulty), issues, false); err != nil {
		t.Fatal(err)
	}
	if err := spec.WriteJSON(&data, issues); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/faulty.txt", text.Bytes())
	golden(t, "testdata/faulty.json", data.Bytes())
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: -want +got:\n%s", file, diff)
	}
}

func TestPrintIsSafeForTerminals(t *testing.T) {
	t.Parallel()
	source := []byte("\"\\e[2J\u202e\": 1\n")
	_, issues := spec.Parse("\x1b[31m.yaml", source)
	var b bytes.Buffer
	if err := spec.Print(&b, source, issues, false); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\u202e") {
		t.Errorf("control characters got through: %q", b.String())
	}
}

func TestPrintColor(t *testing.T) {
	t.Parallel()
	_, issues := spec.Parse("x.yaml", []byte("{}"))
	var b bytes.Buffer
	if err := spec.Print(&b, []byte("{}"), issues, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[31merror:") || strings.Count(b.String(), "\x1b[0m")%3 != 0 {
		t.Errorf("colours: %q", b.String())
	}
}

func TestWriteJSONOfNothing(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := spec.WriteJSON(&b, nil); err != nil || strings.TrimSpace(b.String()) != "[]" || !json.Valid(b.Bytes()) {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

// TestLinesAreThoseOfYAML: a lone \r ends a line for the parser, so it must for
// whoever shows one.
func TestLinesAreThoseOfYAML(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{"unix": "\n", "windows": "\r\n", "old mac": "\r", "mixed": "\r\n\r", "line separator": "\u2028"} {
		source := []byte(strings.Join([]string{"sage_yaml: {}", "catalogs: {}", "packages: {}", "colour: red"}, end))
		_, issues := spec.Parse("x.yaml", source)
		var b bytes.Buffer
		if err := spec.Print(&b, source, issues, false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "\n  colour: red\n  ^\n") {
			t.Errorf("%s: the line of the unknown key isn't shown:\n%s", name, b.String())
		}
	}
}
