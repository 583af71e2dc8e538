package bundle_test

import (
	"archive/zip"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/deploy/bundle"
)

var twice = flag.Bool("twice", false, "build the real packages in two folders, each from nothing, which takes minutes")

// TestMain leaves out what would take long, so that nothing says that it passed.
func TestMain(m *testing.M) {
	flag.Parse()
	if skip := flag.Lookup("test.skip"); !*twice && skip.Value.String() == "" {
		_ = skip.Value.Set("^TestPackagesAreTheSame$")
	}
	os.Exit(m.Run())
}

// TestPackagesAreTheSame builds the real package of the sources in two folders, with
// nothing left of an earlier build, and compares bytes. It is part of task deploy:test.
func TestPackagesAreTheSame(t *testing.T) {
	arch := "arm64" // what is deployed
	var made []bundle.Bundle
	for range 2 {
		root := t.TempDir()
		for _, part := range []string{"go.mod", "go.sum", "worker", "shared"} {
			from := filepath.Join("../..", part)
			info, err := os.Stat(from)
			if err != nil {
				t.Fatal(err)
			}
			if info.IsDir() {
				err = os.CopyFS(filepath.Join(root, part), os.DirFS(from))
			} else {
				text, reading := os.ReadFile(from)
				err = errors.Join(reading, os.WriteFile(filepath.Join(root, part), text, 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("GOCACHE", t.TempDir())
		b, err := bundle.Make(t.Context(), root, t.TempDir(), arch)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, SHA-256 %s", b.Path, b.Zipped, b.SHA256)
		made = append(made, b)
	}
	if made[0].SHA256 != made[1].SHA256 || made[0].Zipped < 1<<20 {
		t.Errorf("two builds of the same sources differ: %+v", made)
	}
	other := filepath.Join(t.TempDir(), "other") // the same with one byte changed, so that a difference would be seen
	text, err := os.ReadFile(strings.TrimSuffix(made[0].Path, ".zip"))
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)-1]++
	if err := os.WriteFile(other, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if sum, _, err := bundle.Pack(other, other+".zip"); err != nil || sum == made[0].SHA256 {
		t.Errorf("another program has the same sum, %s: %v", sum, err)
	}
}

// TestPackIsReproducible: the same binary, wherever, whenever and by whom it was
// built, gives the same bytes; another gives others.
func TestPackIsReproducible(t *testing.T) {
	t.Parallel()
	sums := map[string]string{}
	for name, content := range map[string]string{"one": "the program", "two": "the program", "other": "the Program"} {
		binary := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(binary, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(binary, time.Time{}, time.Unix(int64(len(sums)+1)*1e9, 0)); err != nil {
			t.Fatal(err)
		}
		sum, size, err := bundle.Pack(binary, binary+".zip")
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(binary + ".zip"); err != nil || info.Size() != size {
			t.Errorf("%d bytes were said: %v, %v", size, info, err)
		}
		sums[name] = sum
		checkBootstrap(t, binary+".zip", content)
	}
	if sums["one"] != sums["two"] || sums["one"] == sums["other"] {
		t.Errorf("%v", sums)
	}
}

// checkBootstrap: Lambda starts what is called bootstrap and may be executed.
func checkBootstrap(t *testing.T, path, content string) {
	t.Helper()
	r, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(r.File) != 1 || r.File[0].Name != "bootstrap" || r.File[0].Mode() != 0o755 {
		t.Fatalf("holds %+v", r.File)
	}
	file, err := r.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got, err := io.ReadAll(file); err != nil || string(got) != content {
		t.Errorf("bootstrap is %q, %v", got, err)
	}
}

// TestMeasureEndsWithTheProgram: one that never asks for work keeps nobody waiting.
func TestMeasureEndsWithTheProgram(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := bundle.Measure(ctx, "/bin/true"); err == nil || ctx.Err() != nil {
		t.Errorf("got %v", err)
	}
}
