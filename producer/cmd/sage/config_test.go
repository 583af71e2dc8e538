package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	second := strings.Replace(read(t, goodConfig), "\n", "\n# changed\n", 1)
	changed := file(t, "changed.yaml", second)
	for _, want := range []string{"diaria@1 of mailbox general\n", "diaria@1 of mailbox general has this text already\n"} {
		if r := f.sage(t, exitOK, "config", "put", "diaria", goodConfig); r.stdout != want {
			t.Errorf("put: %q, want %q", r.stdout, want)
		}
	}
	f.sage(t, exitOK, "config", "put", "diaria", changed, "--note", "a comment")
	if r := f.sage(t, exitOK, "config", "show", "diaria"); r.stdout != second {
		t.Errorf("the latest is %q", r.stdout)
	}
	if r := f.sage(t, exitOK, "config", "show", "diaria@1"); r.stdout != read(t, goodConfig) {
		t.Errorf("the first is %q", r.stdout)
	}
	if r := f.sage(t, exitOK, "config", "list", "diaria"); strings.Count(r.stdout, "\n") != 2 || !strings.Contains(r.stdout, "a comment") {
		t.Errorf("listed %q", r.stdout)
	}
	if r := f.sage(t, exitDiffers, "config", "diff", "diaria@1", "diaria"); !strings.Contains(r.stdout, "--- diaria@1\n+++ diaria@2\n") || !strings.Contains(r.stdout, "\n+# changed\n") {
		t.Errorf("the difference is %q", r.stdout)
	}
	if r := f.sage(t, exitOK, "config", "diff", "diaria", changed); r.stdout != "" {
		t.Errorf("the same text differs: %q", r.stdout)
	}
	var shown shownConfig
	if r := f.sage(t, exitOK, "config", "show", "diaria", "--json"); json.Unmarshal([]byte(r.stdout), &shown) != nil || shown.Text != second || shown.Note != "a comment" {
		t.Errorf("the latest as JSON is %q", r.stdout)
	}
	var diff configDiff
	if r := f.sage(t, exitDiffers, "config", "diff", "diaria@1", "diaria", "--json"); json.Unmarshal([]byte(r.stdout), &diff) != nil || diff.Same || diff.To != "diaria@2" || !strings.Contains(diff.Patch, "\n+# changed\n") {
		t.Errorf("the difference as JSON is %q", r.stdout)
	}
	if r := f.sage(t, exitOK, "config", "diff", "diaria", changed, "--json"); json.Unmarshal([]byte(r.stdout), &diff) != nil || !diff.Same || diff.Patch != "" {
		t.Errorf("the same text as JSON is %q", r.stdout)
	}
	f.sage(t, exitFailed, "config", "put", "diaria", "testdata/wrong.yaml")
	f.sage(t, exitFailed, "config", "show", "diaria@3")

	data := file(t, "a.csv", csvData)
	f.sage(t, exitOK, "submit", "diaria", data, "--id", "by-name")
	f.sage(t, exitOK, "submit", changed, data, "--id", "by-name") // the same content
	f.sage(t, exitFailed, "submit", "diaria@1", data, "--id", "by-name")
	f.sage(t, exitFailed, "submit", "diaria@3", data)
	f.sage(t, exitFailed, "submit", "semanal", data)
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
