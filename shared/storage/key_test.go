package storage_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Whatever the key, an object lands below the root, at the path that is its key,
// and is listed as it was named; or the key is refused and nothing is touched.
func FuzzKey(f *testing.F) {
	for _, key := range badKeys {
		f.Add(key)
	}
	f.Add("a/b.csv")
	f.Add(`..\a`)
	f.Add(".../.a")
	outer := f.TempDir()
	root := filepath.Join(outer, "root")
	s := open(f, fileURL(root))
	f.Fuzz(func(t *testing.T, key string) {
		err := s.Create(t.Context(), key, []byte("x"))
		if err != nil {
			if fault.CodeOf(err) != storage.CodeKeyInvalid {
				t.Fatalf("Create(%q) = %v, want %s", key, err, storage.CodeKeyInvalid)
			}
			return
		}
		if diff := cmp.Diff([]string{key}, list(t, s, "")); diff != "" {
			t.Errorf("List (-want +got):\n%s", diff)
		}
		want := filepath.Join(root, filepath.FromSlash(key))
		if diff := cmp.Diff([]string{want}, files(t, outer)); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Stat(t.Context(), key); !errors.Is(err, storage.ErrNotFound) {
			t.Fatalf("Stat after Delete = %v, want ErrNotFound", err)
		}
		removeDirs(t, root)
	})
}

// files returns the paths of all files below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// removeDirs removes what one input left, which the next one's key may clash with.
func removeDirs(t *testing.T, root string) {
	t.Helper()
	for _, name := range names(t, root) {
		if err := os.RemoveAll(filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
}
