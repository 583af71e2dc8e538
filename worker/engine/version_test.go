package engine_test

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sagefleet/sagefleet/worker/engine"
	"github.com/sagefleet/sagefleet/worker/engine/report"
	"github.com/sagefleet/sagefleet/worker/processor"
)

var update = flag.Bool("update", false, "rewrite testdata/version.txt")

// TestVersion holds engine.Version to what the reference cases come to. When they
// come to something else, raise it, then run with -update.
func TestVersion(t *testing.T) {
	t.Parallel()
	const name = "testdata/version.txt"
	got := fmt.Sprintf("%d %x\n", engine.Version, answers(t))
	want, err := os.ReadFile(name)
	if err == nil && got == string(want) {
		return
	}
	var before int
	_, _ = fmt.Sscan(string(want), &before) // 0 in the first version
	switch {
	case engine.Version <= before:
		t.Fatalf("the engine answers otherwise than version %d did, and findings may be kept under that: raise engine.Version, then run with -update", before)
	case !*update:
		t.Fatalf("engine.Version is %d and %s is of version %d: run with -update", engine.Version, name, before)
	}
	if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
		t.Fatal(err)
	}
}

// answers hashes the reports of all reference cases, without times and texts.
func answers(t *testing.T) [sha256.Size]byte {
	t.Helper()
	dirs, err := filepath.Glob("testdata/cases/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal(dirs, err)
	}
	hash := sha256.New()
	for _, dir := range dirs {
		data, err := filepath.Glob(filepath.Join(dir, "data.*"))
		if err != nil || len(data) != 1 {
			t.Fatal(data, err)
		}
		config, err := os.ReadFile(filepath.Join(dir, "config.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		result, _ := processor.Native{}.Process(t.Context(), processor.Job{
			Config: config, ConfigName: "config.yaml", Inputs: []processor.Input{{Name: filepath.Base(data[0]), Path: data[0]}},
		})
		i := slices.IndexFunc(result.Files, func(f report.File) bool { return f.Name == report.JSONName })
		var doc struct {
			Summary    any
			Files      any
			Validation struct {
				Failures []map[string]any
				Skipped  any `json:"skipped_rules"`
			}
		}
		if i < 0 || json.Unmarshal(result.Files[i].Data, &doc) != nil {
			t.Fatalf("%s has no report", dir)
		}
		for _, f := range doc.Validation.Failures {
			delete(f, "timestamp")
			delete(f, "message") // it may be worded better
			if f["type"] == "unreadable" {
				delete(f, "found")
				delete(f, "expected")
			}
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(hash, "%s %s\n", filepath.Base(dir), text)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}
