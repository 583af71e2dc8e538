package bundle_test

import (
	"archive/zip"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/deploy/bundle"
)

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
