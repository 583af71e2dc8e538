package inbox

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// written reports whether somebody is known to have the file open for writing, which
// a lease for reading is refused for. Where leases can't be had, of others' files or on
// a network's file system, nobody is known.
func (f *folder) written(name string) bool {
	file, err := f.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // and the lease with it
	_, err = unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	return errors.Is(err, unix.EAGAIN)
}
