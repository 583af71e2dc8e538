package storage_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// smallDisk is a folder in which there is room for size, as mount spells it.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	root := t.TempDir()
	if err := syscall.Mount("none", root, "tmpfs", 0, "size="+size); errors.Is(err, syscall.EPERM) {
		t.Skip("needs the right to mount a small file system")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return root
}

func TestDirFull(t *testing.T) {
	root := smallDisk(t, "1m")
	s := open(t, fileURL(root))
	put(t, s, "k", "old")
	if _, err := s.Put(t.Context(), "k", zeros{}); fault.CodeOf(err) != storage.CodeFull || fault.IsPermanent(err) {
		t.Errorf("Put = %v, want a retryable %s", err, storage.CodeFull)
	}
	if err := s.Create(t.Context(), "c", make([]byte, 2<<20)); fault.CodeOf(err) != storage.CodeFull {
		t.Errorf("Create = %v, want %s", err, storage.CodeFull)
	}
	if got := read(t, s, "k"); got != "old" {
		t.Errorf("object is %.20q, want the old one", got)
	}
	if diff := cmp.Diff([]string{"k"}, names(t, root)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if err := s.Create(t.Context(), "c", []byte("x")); err != nil {
		t.Errorf("Create after space was freed = %v", err)
	}
}

// No test can cut the power, but the system calls that survive it can be seen in
// order: a winner and a loser each sync the file before its name and the
// directory after it, and each first syncs the directory above.
func TestDirCreateSyncs(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	traced := exec.CommandContext(t.Context(), strace, "-f", "-o", trace, "-e", "trace=fsync,renameat2",
		os.Args[0], "-test.run=^TestDirShared$")
	if out, err := traced.CombinedOutput(); err != nil {
		t.Skipf("needs the right to trace a process: %v: %s", err, out)
	}
	calls, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, call := range regexp.MustCompile(`\b(fsync|renameat2)\(`).FindAllSubmatch(calls, -1) {
		got = append(got, string(call[1]))
	}
	create := []string{"fsync", "fsync", "renameat2", "fsync"}
	if diff := cmp.Diff(slices.Repeat(create, 2), got); diff != "" {
		t.Errorf("system calls (-want +got):\n%s", diff)
	}
}
