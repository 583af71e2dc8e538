package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"

	"github.com/sagefleet/sagefleet/shared/failpoint"
)

func (d *dir) Put(ctx context.Context, key string, r io.Reader) (Info, error) {
	op, err := d.begin(ctx, "put", key)
	if err != nil {
		return Info{}, err
	}
	src := newSource(ctx, r)
	err = d.publish(key, src, replace, (*os.File).Sync)
	switch {
	case src.err != nil:
		return Info{}, op.own(src.err)
	case errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrExist):
		return Info{}, op.conflict()
	case err != nil:
		return Info{}, op.fileFault(err)
	}
	return src.info(key), nil
}

// Create gives a finished file its name by a call that fails when the name is taken.
// A plain rename would replace the winner's object, and opening the name itself with
// O_EXCL would show a torn object after a crash.
func (d *dir) Create(ctx context.Context, key string, data []byte) error {
	op, err := d.begin(ctx, "create", key)
	if err != nil {
		return err
	}
	err = d.publish(key, bytes.NewReader(data), nameNew, d.commits.sync)
	switch {
	case errors.Is(err, fs.ErrExist):
		return d.taken(op)
	case errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EOPNOTSUPP):
		return op.fail(CodeUnsupported, err).
			Expecting("a file system that renames without replacing, or has hard links").
			Advise("keep the store on a file system such as ext4 or XFS, or in S3").
			Permanent()
	case err != nil:
		return op.fileFault(err)
	}
	return nil
}

// taken tells an object at the key from a directory, which no reader will ever
// find an object in.
func (d *dir) taken(op operation) error {
	info, err := d.root.Lstat(op.key)
	switch {
	case err != nil:
		return op.fileFault(err)
	case info.IsDir():
		return op.conflict()
	}
	return op.exists()
}

// publish writes data to a temporary file beside key, syncs it, and has name put it
// at the key. The directory is synced whether or not the name was taken: the loser of
// a race must not act on a winner that a power failure takes back.
//
// A crash leaves at most a temporary file, which nothing reads or lists.
func (d *dir) publish(key string, data io.Reader, name naming, sync syncFunc) error {
	root, err := d.openParent(key)
	if err != nil {
		return err
	}
	defer root.Close()
	self, err := root.Open(".")
	if err != nil {
		return err
	}
	defer self.Close()

	temp := tempPrefix + rand.Text()
	if err := writeFile(root, temp, data, sync); err != nil {
		_ = root.Remove(temp) // a leftover is harmless
		return err
	}
	failpoint.Hit(failpoint.FileWritten)
	err = name(folder{root, self}, temp, path.Base(key))
	if err != nil {
		_ = root.Remove(temp)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	failpoint.Hit(failpoint.FileLinked)
	return errors.Join(err, sync(self))
}

// folder is a directory, and the same opened as a file.
type folder struct {
	*os.Root
	self *os.File
}

// naming gives the file from of a folder the name to instead.
type naming func(in folder, from, to string) error

func replace(in folder, from, to string) error { return in.Rename(from, to) }

// linkNew takes two calls where one won't do it; see nameNew.
func linkNew(in folder, from, to string) error {
	if err := in.Link(from, to); err != nil {
		return err
	}
	_ = in.Remove(from) // a leftover is harmless
	return nil
}

// syncFunc makes the data of a file, or the names in a directory, durable.
type syncFunc func(*os.File) error

func writeFile(r *os.Root, name string, data io.Reader, sync syncFunc) error {
	f, err := r.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, data)
	if err == nil {
		err = sync(f)
	}
	return errors.Join(err, f.Close())
}

// openParent opens the directory of key, having made it durable.
func (d *dir) openParent(key string) (*os.Root, error) {
	parent, err := d.openDurable(path.Dir(key))
	if errors.Is(err, fs.ErrNotExist) {
		// Someone removed a directory that was known.
		d.durable.forget()
		parent, err = d.openDurable(path.Dir(key))
	}
	return parent, err
}

func (d *dir) openDurable(name string) (*os.Root, error) {
	if err := d.durable.ensure(d.root, name); err != nil {
		return nil, err
	}
	return openDirectory(d.root, name)
}

// openDirectory opens a directory below r. Unlike OpenRoot it says ENOTDIR, not
// an error without a name, of what is none.
func openDirectory(r *os.Root, name string) (*os.Root, error) {
	sub, err := r.OpenRoot(name)
	if err == nil {
		return sub, nil
	}
	if info, statErr := r.Stat(name); statErr == nil && !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOTDIR}
	}
	return nil, err
}

func syncDir(r *os.Root, sync syncFunc) error {
	f, err := r.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(sync(f), f.Close())
}

// maxDurable bounds the memory of durableDirs, at some 100 bytes per directory.
const maxDurable = 1 << 14

// durableDirs remembers which directories are durable in those above them, so
// that objects in one directory do not each sync the whole path to it.
type durableDirs struct {
	mu    sync.Mutex
	names map[string]struct{}
}

// ensure creates the directory name, and those above it, unless it is known to
// be durable. One that exists already is synced all the same: who made it may
// not have come to that.
func (d *durableDirs) ensure(root *os.Root, name string) error {
	if name == "." || d.knows(name) {
		return nil
	}
	above := path.Dir(name)
	if err := d.ensure(root, above); err != nil {
		return err
	}
	if err := root.Mkdir(name, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	parent, err := openDirectory(root, above)
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := syncDir(parent, (*os.File).Sync); err != nil {
		return err
	}
	d.learn(name)
	return nil
}

func (d *durableDirs) knows(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.names[name]
	return ok
}

func (d *durableDirs) learn(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names == nil || len(d.names) >= maxDurable {
		d.names = make(map[string]struct{})
	}
	d.names[name] = struct{}{}
}

func (d *durableDirs) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.names)
}
