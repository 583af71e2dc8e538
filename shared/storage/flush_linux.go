package storage

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fileSystem is a file system of which syncfs(2) makes durable what fsync would.
type fileSystem struct {
	// root is held open: a write error is told to descriptors that were open then.
	root   *os.File
	device uint64
}

// sureTypes are the file systems known to keep that promise. Others, such as
// those that another process or machine implements, may answer and do nothing.
var sureTypes = []int64{unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC}

// newWholeSync returns nil unless root's file system can be synced as a whole.
func newWholeSync(root *os.Root) wholeSync {
	var system unix.Utsname
	if unix.Uname(&system) != nil || !tellsErrors(unix.ByteSliceToString(system.Release[:])) {
		return nil
	}
	f, err := root.Open(".")
	if err != nil {
		return nil
	}
	var kind unix.Statfs_t
	var stat unix.Stat_t
	fd := int(f.Fd())
	if unix.Fstatfs(fd, &kind) != nil || !slices.Contains(sureTypes, kind.Type) || unix.Fstat(fd, &stat) != nil {
		_ = f.Close()
		return nil
	}
	return &fileSystem{root: f, device: stat.Dev}
}

// tellsErrors reports whether syncfs of this kernel release tells of data that
// could not be written: from 5.8 on.
func tellsErrors(release string) bool {
	major, rest, _ := strings.Cut(release, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(strings.TrimRight(minor, "-+abcdefghijklmnopqrstuvwxyz"))
	return errA == nil && errB == nil && (a > 5 || a == 5 && b >= 8)
}

func (s *fileSystem) covers(f *os.File) bool {
	var stat unix.Stat_t
	return unix.Fstat(int(f.Fd()), &stat) == nil && stat.Dev == s.device
}

func (s *fileSystem) sync() error { return os.NewSyscallError("syncfs", unix.Syncfs(int(s.root.Fd()))) }
