package storage_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

func fileURL(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

// openDir opens a store in a directory that does not exist yet.
func openDir(t *testing.T) storage.Store {
	return open(t, fileURL(filepath.Join(t.TempDir(), "made", "by open")))
}

func TestDir(t *testing.T) { testStore(t, openDir) }

func TestDirPutMemory(t *testing.T) { testMemory(t, openDir(t), 64<<20, 8<<20) }

func TestDirRefusesToLeaveItsRoot(t *testing.T) {
	t.Parallel()
	outside, inside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	write(t, secret, "secret")
	link(t, secret, filepath.Join(inside, "file"))
	link(t, outside, filepath.Join(inside, "dir"))
	s := open(t, fileURL(inside))

	for _, key := range []string{"file", "dir/secret"} {
		if _, err := s.Get(t.Context(), key); fault.CodeOf(err) != storage.CodeDenied || !fault.IsPermanent(err) {
			t.Errorf("Get(%q) = %v, want a permanent %s", key, err, storage.CodeDenied)
		}
		if _, err := s.Stat(t.Context(), key); fault.CodeOf(err) != storage.CodeDenied {
			t.Errorf("Stat(%q) = %v, want %s", key, err, storage.CodeDenied)
		}
	}
	if _, err := s.Put(t.Context(), "dir/new", strings.NewReader("x")); fault.CodeOf(err) != storage.CodeDenied {
		t.Errorf("Put = %v, want %s", err, storage.CodeDenied)
	}
	if err := s.Create(t.Context(), "dir/new", nil); fault.CodeOf(err) != storage.CodeDenied {
		t.Errorf("Create = %v, want %s", err, storage.CodeDenied)
	}
	// A Put to a link replaces the link, not what it points to.
	put(t, s, "file", "mine")
	if got := names(t, outside); !cmp.Equal(got, []string{"secret"}) {
		t.Errorf("outside are %q", got)
	}
	if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
		t.Errorf("the file outside is %q, %v", data, err)
	}
	if diff := cmp.Diff([]string{"file"}, list(t, s, "")); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
}

func TestDirFollowsLinksInside(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, filepath.Join(root, "data"), "x")
	if err := os.Symlink("data", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, open(t, fileURL(root)), "link"); got != "x" {
		t.Errorf("Get = %q", got)
	}
}

func TestDirIgnoresWhatIsNoObject(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, fileURL(root))
	put(t, s, "d/object", "x")
	// What a crash leaves between writing the file and naming it.
	write(t, filepath.Join(root, "d", ".sagefleet-tmp-LEFT"), "half an obj")
	write(t, filepath.Join(root, "d", "new\nline"), "x")
	if err := os.Mkdir(filepath.Join(root, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "d", "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"d/object"}, list(t, s, "")); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	for _, key := range []string{"d", "d/pipe"} {
		if _, err := s.Get(t.Context(), key); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Get(%q) = %v, want ErrNotFound", key, err)
		}
	}
	if err := s.Delete(t.Context(), "empty"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "empty")); err != nil {
		t.Errorf("Delete took a directory: %v", err)
	}
}

func TestDirLeavesNoTemporaryFiles(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, fileURL(root))
	put(t, s, "put", "x")
	for range 2 {
		if err := s.Create(t.Context(), "created", []byte("x")); err != nil && !errors.Is(err, storage.ErrExists) {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(t.Context(), "failed", readerFunc(func([]byte) (int, error) { return 0, errors.New("broken") })); err == nil {
		t.Error("Put of a broken reader succeeded")
	}
	if diff := cmp.Diff([]string{"created", "put"}, names(t, root)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A key cannot be a file and a directory. S3 has no directories, so the platform
// must not use such keys, but a person may, and must hear of it.
func TestDirKeyConflict(t *testing.T) {
	t.Parallel()
	s := openDir(t)
	put(t, s, "file", "x")
	put(t, s, "dir/file", "x")
	for _, key := range []string{"file/below", "file/far/below", "dir"} {
		if _, err := s.Put(t.Context(), key, strings.NewReader("y")); fault.CodeOf(err) != storage.CodeKeyConflict || !fault.IsPermanent(err) {
			t.Errorf("Put(%q) = %v, want a permanent %s", key, err, storage.CodeKeyConflict)
		}
		if err := s.Create(t.Context(), key, nil); fault.CodeOf(err) != storage.CodeKeyConflict || errors.Is(err, storage.ErrExists) {
			t.Errorf("Create(%q) = %v, want %s", key, err, storage.CodeKeyConflict)
		}
	}
}

func TestDirSurvivesRemovedDirectories(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, fileURL(root))
	for _, key := range []string{"a/b/c", "a/b/c", "a/d/e/f", "a/b/c"} {
		if err := s.Create(t.Context(), key, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(root, "a")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sync(t.Context(), "a/b/c"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Sync = %v, want ErrNotFound", err)
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "a/b/c", nil); fault.CodeOf(err) != storage.CodeMissing {
		t.Errorf("Create without a root = %v, want %s", err, storage.CodeMissing)
	}
}

// Another process's Put and Create on the same directory: a second Store shares
// nothing with the first but the files.
func TestDirShared(t *testing.T) {
	t.Parallel()
	root := fileURL(t.TempDir())
	one, other := open(t, root), open(t, root)
	if err := one.Create(t.Context(), "a/b", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := other.Create(t.Context(), "a/b", []byte("other")); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Create = %v, want ErrExists", err)
	}
	if got := read(t, other, "a/b"); got != "one" {
		t.Errorf("Get = %q, want the winner's", got)
	}
}

func write(t *testing.T, name, data string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
