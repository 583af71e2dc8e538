package storage_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

var badKeys = map[string]string{
	"empty":              "",
	"parent":             "..",
	"traversal":          "a/../../b",
	"traversal at start": "../b",
	"this":               "a/./b",
	"absolute":           "/etc/passwd",
	"trailing slash":     "a/",
	"empty element":      "a//b",
	"NUL":                "a\x00b",
	"newline":            "a\nb",
	"C1 control":         "a\u0085b",
	"not UTF-8":          "a\xffb",
	"too long":           strings.Repeat("a/", 512) + "ab",
	"element too long":   strings.Repeat("a", 256),
	"temporary":          "a/.sagefleet-tmp-1",
}

func testKeys(t *testing.T, s storage.Store) {
	ctx := t.Context()
	for name, key := range badKeys {
		_, getErr := s.Get(ctx, key)
		_, putErr := s.Put(ctx, key, strings.NewReader("x"))
		_, statErr := s.Stat(ctx, key)
		for method, err := range map[string]error{
			"Get": getErr, "Put": putErr, "Stat": statErr,
			"Create": s.Create(ctx, key, nil), "Sync": s.Sync(ctx, key), "Delete": s.Delete(ctx, key),
		} {
			if fault.CodeOf(err) != storage.CodeKeyInvalid || !fault.IsPermanent(err) {
				t.Errorf("%s: %s = %v, want a permanent %s", name, method, err, storage.CodeKeyInvalid)
			}
		}
	}
	for name, prefix := range map[string]string{"traversal": "../", "inside": "a/../b", "NUL": "\x00", "absolute": "/"} {
		for _, err := range s.List(ctx, prefix) {
			if fault.CodeOf(err) != storage.CodeKeyInvalid {
				t.Errorf("%s: List(%q) = %v, want %s", name, prefix, err, storage.CodeKeyInvalid)
			}
		}
	}
	for name, key := range map[string]string{
		"longest element": strings.Repeat("é", 127) + "a",
		"dots":            "...",
		"hidden":          ".a/..b",
		"spaces":          " / ",
		"backslash":       `a\..\b`,
		"NFC":             "\u00e9",
		"NFD":             "e\u0301",
		"right to left":   "\u202egnp.exe",
		"device":          "CON",
	} {
		put(t, s, key, name)
		if got := read(t, s, key); got != name {
			t.Errorf("%s: Get = %q", name, got)
		}
	}
}

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
