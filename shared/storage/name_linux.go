package storage

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// nameNew fails with fs.ErrExist when the name to is taken.
func nameNew(in folder, from, to string) error {
	err := renameNew(in.self, from, to)
	switch {
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS): // as NFS says, and old kernels
		return linkNew(in, from, to)
	case err != nil:
		return &fs.PathError{Op: "renameat2", Path: to, Err: err}
	}
	return nil
}

// renameNew takes half of what linking and unlinking takes, in calls and in the file
// system's journal. from and to are names, not paths, so it can't leave the directory.
func renameNew(in *os.File, from, to string) (err error) {
	fd := int(in.Fd())
	for {
		err = unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
