package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `sage_yaml: {name: n, description: d, version: "1", author: a}
catalogs:
  c:
    name: c
    description: d
    filename: c.csv
    file_format: {type: CSV, delimiter: ",", header: true}
    fields:
      - {name: a, type: entero, required: true}
packages:
  p: {name: p, description: d, file_format: {type: CSV}, catalogs: [c]}
`

func TestRun(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config, data string
		want         outcome
		says         string
	}{
		"clean":         {sample, "a\n1\n2\n", outcome{"Éxito", 0, 0, 2, 0, ""}, "2 registros, 0 errores"},
		"data errors":   {sample, "a\n1\nx\n", outcome{"Fallido", 1, 0, 2, 1, ""}, "datos.csv:3"},
		"configuration": {"sage_yaml: 1\n", "a\n1\n", outcome{"Fallido", 3, 0, 0, 2, ""}, "config.yaml:1"},
		"hostile":       {sample, "a\n\"1\n", outcome{"Fallido", 1, 0, 0, 2, ""}, "comillas"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := runCmd{Config: filepath.Join(dir, "config.yaml"), Data: filepath.Join(dir, "datos.CSV"), Out: filepath.Join(dir, "out"), Lang: "es"}
			write(t, cmd.Config, tt.config)
			write(t, cmd.Data, tt.data)
			var text, line bytes.Buffer
			cmd.stdout = &text
			exit, err := cmd.Run(t.Context())
			if err != nil || exit != tt.want.ExitCode {
				t.Fatalf("exit %d, %v, want %d", exit, err, tt.want.ExitCode)
			}
			if !strings.Contains(strings.ToLower(text.String()), strings.ToLower(tt.says)) {
				t.Errorf("the summary doesn't say %q:\n%s", tt.says, &text)
			}
			if strings.Contains(text.String(), "\x1b") {
				t.Errorf("colours without a terminal:\n%q", &text)
			}
			cmd.JSON, cmd.stdout = true, &line // into the same folder again
			if _, err := cmd.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got outcome
			if err := json.Unmarshal(line.Bytes(), &got); err != nil || strings.Count(line.String(), "\n") != 1 {
				t.Fatalf("not one line of JSON: %q, %v", &line, err)
			}
			tt.want.Out = cmd.Out
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("--json (-want +got)\n%s", d)
			}
			checkFolder(t, cmd.Out, tt.data)
		})
	}
}

func checkFolder(t *testing.T, out, data string) {
	t.Helper()
	entries, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"data.csv", "error.log", "input.yaml", "output.log", "report.html", "report.json", "results.txt"}
	if !slices.Equal(names, want) {
		t.Errorf("the folder has %q, want %q", names, want)
	}
	if copied, err := os.ReadFile(filepath.Join(out, "data.csv")); err != nil || string(copied) != data {
		t.Errorf("data.csv is %q, %v", copied, err)
	}
}

func TestRunNamesItsFolder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "c.yaml", sample)
	write(t, "ventas.csv", "a\n1\n")
	cmd := runCmd{Config: "c.yaml", Data: "ventas.csv", Lang: "en", stdout: &bytes.Buffer{}}
	if exit, err := cmd.Run(t.Context()); exit != 0 || err != nil {
		t.Fatalf("exit %d, %v", exit, err)
	}
	if made, _ := filepath.Glob("sage-out-ventas-*"); len(made) != 1 {
		t.Errorf("folders %q, want one called sage-out-ventas-…", made)
	}
}

// TestRunWithAnotherEngine has a program that leaves one file take the engine's
// place, as the service would.
func TestRunWithAnotherEngine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var text bytes.Buffer
	cmd := runCmd{
		Config: filepath.Join(dir, "c.yaml"), Data: filepath.Join(dir, "v.csv"), Out: filepath.Join(dir, "out"), Lang: "es", stdout: &text,
		variables: map[string]string{
			"ENGINE": "exec", "ENGINE_COMMAND": `["sh", "-c", "cat \"$0\" > copy.txt; exit 1", "{data}", "{config}"]`, "SCRATCH_DIR": dir,
		},
	}
	write(t, cmd.Config, sample)
	write(t, cmd.Data, "a\n1\n")
	if exit, err := cmd.Run(t.Context()); exit != exitDataErrors || err != nil {
		t.Fatalf("exit %d, %v, want %d\n%s", exit, err, exitDataErrors, &text)
	}
	if got, err := os.ReadFile(filepath.Join(cmd.Out, "copy.txt")); string(got) != "a\n1\n" {
		t.Errorf("the program's file is %q, %v", got, err)
	}
	if strings.Contains(text.String(), "report.html") {
		t.Errorf("the summary names a report that there isn't:\n%s", &text)
	}
	cmd.variables = map[string]string{"ENGINE": "exec"}
	if exit, err := cmd.Run(t.Context()); exit != exitUnusable || err == nil || !strings.Contains(err.Error(), "ENGINE_COMMAND") {
		t.Errorf("without a command: exit %d, %v", exit, err)
	}
}

func TestRunWithoutItsFiles(t *testing.T) {
	t.Parallel()
	cmd := runCmd{Config: filepath.Join(t.TempDir(), "no.yaml"), Lang: "es"}
	if exit, err := cmd.Run(t.Context()); exit != exitUnusable || err == nil {
		t.Errorf("exit %d, %v, want %d and an error", exit, err, exitUnusable)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
