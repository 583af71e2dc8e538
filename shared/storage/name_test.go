package storage

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Whatever the file system can do, a name that is taken stays what it is.
func TestNaming(t *testing.T) {
	t.Parallel()
	taken := map[string]func(name string) error{
		"file":           func(name string) error { return os.WriteFile(name, []byte("winner"), 0o600) },
		"directory":      func(name string) error { return os.Mkdir(name, 0o700) },
		"link":           func(name string) error { return os.Symlink("elsewhere", name) },
		"link to itself": func(name string) error { return os.Symlink("to", name) },
	}
	for how, name := range map[string]naming{"nameNew": nameNew, "linkNew": linkNew} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			in, at := openFolder(t)
			if err := name(in, "from", "to"); err != nil {
				t.Errorf("%s = %v", how, err)
			}
			if got, err := os.ReadDir(at); err != nil || len(got) != 1 || got[0].Name() != "to" {
				t.Errorf("there are %v (%v), want to alone", got, err)
			}
		})
		for what, take := range taken {
			t.Run(how+" over a "+what, func(t *testing.T) {
				t.Parallel()
				in, at := openFolder(t)
				if err := take(filepath.Join(at, "to")); err != nil {
					t.Fatal(err)
				}
				before, _ := os.Lstat(filepath.Join(at, "to"))
				if err := name(in, "from", "to"); !errors.Is(err, fs.ErrExist) {
					t.Errorf("%s = %v, want %v", how, err, fs.ErrExist)
				}
				if after, err := os.Lstat(filepath.Join(at, "to")); err != nil || !os.SameFile(before, after) {
					t.Errorf("what was there is replaced: %v", err)
				}
			})
		}
	}
}

// openFolder opens a directory with a file called from.
func openFolder(t *testing.T) (in folder, at string) {
	t.Helper()
	at = t.TempDir()
	if err := os.WriteFile(filepath.Join(at, "from"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		t.Fatal(err)
	}
	self, err := root.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = self.Close(), root.Close() })
	return folder{root, self}, at
}
