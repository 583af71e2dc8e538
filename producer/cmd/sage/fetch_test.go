package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/outcome"
)

// folder returns the names and contents of the files in dir.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}

func TestFetchLaysOutTheFolderOfTheOriginal(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t)
	f.sage(t, exitOK, "submit", goodConfig, file(t, "clean.csv", csvData), file(t, "report.json", "an input"), "--id", "e1", "--wait")
	dir := filepath.Join(t.TempDir(), "made", "as", "needed")
	f.sage(t, exitOK, "fetch", "e1", "--to", dir)
	config, err := os.ReadFile(goodConfig)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"input.yaml": string(config), "report.json": `{"ok":true}`, "bulky.log": strings.Repeat("x", bulkySize),
		"data.csv": csvData, "report-2.json": "an input",
	}
	if diff := cmp.Diff(want, folder(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestFetchOverwritesOnlyWhenForced(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.work(t)
	f.sage(t, exitOK, "submit", goodConfig, file(t, "clean.csv", csvData), "--id", "e1", "--wait")
	dir := t.TempDir()
	mine := filepath.Join(dir, "report.json")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := f.sage(t, exitFailed, "fetch", "e1", "--to", dir)
	if !strings.Contains(r.stderr, "[FILE_EXISTS]") {
		t.Errorf("said %q", r.stderr)
	}
	if diff := cmp.Diff(map[string]string{"report.json": "mine"}, folder(t, dir)); diff != "" {
		t.Error(diff)
	}
	var got fetched
	r = f.sage(t, exitOK, "fetch", "e1", "--to", dir, "--force", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || got.ID != "e1" || got.Kind != "SUCCEEDED" || len(got.Files) != 4 || !got.Files[0].Written {
		t.Errorf("as JSON: %s, %v", r.stdout, err)
	}
	if got := folder(t, dir); got["report.json"] != `{"ok":true}` || len(got) != 4 {
		t.Errorf("the folder holds %v", got)
	}
}

func TestFetchRefusesDamagedFiles(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"changed": strings.Repeat("y", bulkySize),
		"shorter": "x",
		"longer":  strings.Repeat("x", bulkySize+1),
	}
	for name, damaged := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.work(t)
			f.sage(t, exitOK, "submit", goodConfig, file(t, "clean.csv", csvData), "--id", "e1", "--wait")
			o, err := outcome.New(f.objects).Last(t.Context(), "general", "e1")
			if err != nil {
				t.Fatal(err)
			}
			bulky := o.Files[len(o.Files)-1]
			if _, err := f.objects.Put(t.Context(), bulky.Key, bytes.NewReader([]byte(damaged))); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			r := f.sage(t, exitFailed, "fetch", "e1", "--to", dir)
			if !strings.Contains(r.stderr, "[FILE_DIGEST]") {
				t.Errorf("said %q", r.stderr)
			}
			for name := range folder(t, dir) {
				if name == "bulky.log" || strings.HasPrefix(name, ".") {
					t.Errorf("left %s behind", name)
				}
			}
		})
	}
}
