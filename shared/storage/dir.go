package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Modes before the umask: the data is its owner's and its group's business.
const (
	dirMode  = 0o750
	fileMode = 0o640
)

// dir is a Store in a directory. A key is a path below it, reached only through
// os.Root: symbolic links are followed as long as they stay inside.
//
// Several processes, on several machines where the file system supports it, may
// share one directory. Directories that became empty stay: removing one would
// race with an object about to be created in it.
type dir struct {
	root    *os.Root
	url     string
	durable durableDirs
	commits flusher
}

func openDir(loc location) (*dir, error) {
	op := operation{name: "open", key: ".", store: loc.String()}
	name := filepath.FromSlash(loc.path)
	err := mkdirDurably(name)
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return nil, invalidURL("%q names no directory: %w", loc, err)
	case err != nil:
		return nil, op.fileFault(err)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, op.fileFault(err)
	}
	return &dir{root: root, url: loc.String(), commits: flusher{whole: newWholeSync(root), slow: slowFlush}}, nil
}

// mkdirDurably creates the directory name and those above it, each durable in
// the one above.
func mkdirDurably(name string) error {
	err := os.Mkdir(name, dirMode)
	switch {
	case errors.Is(err, fs.ErrExist):
		info, err := os.Stat(name)
		if err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "open", Path: name, Err: syscall.ENOTDIR}
		}
		return err
	case errors.Is(err, fs.ErrNotExist) && filepath.Dir(name) != name:
		if err := mkdirDurably(filepath.Dir(name)); err != nil {
			return err
		}
		return mkdirDurably(name)
	case err != nil:
		return err
	}
	parent, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

func (d *dir) URL() string { return d.url }

func (d *dir) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	op, err := d.begin(ctx, "get", key)
	if err != nil {
		return nil, err
	}
	// Nonblocking, because opening a pipe that someone left here would hang.
	f, err := d.root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, op.missingOr(err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		_ = f.Close()
		return nil, op.fileFault(err)
	case !info.Mode().IsRegular():
		_ = f.Close()
		return nil, op.notFound()
	}
	return f, nil
}

func (d *dir) Stat(ctx context.Context, key string) (Info, error) {
	op, err := d.begin(ctx, "stat", key)
	if err != nil {
		return Info{}, err
	}
	info, err := d.root.Stat(key)
	switch {
	case err != nil:
		return Info{}, op.missingOr(err)
	case !info.Mode().IsRegular():
		return Info{}, op.notFound()
	}
	return Info{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil
}

// Sync covers what Put and Create made visible: they sync the file before its
// name, so only the name can be missing after a power failure.
func (d *dir) Sync(ctx context.Context, key string) error {
	op, err := d.begin(ctx, "sync", key)
	if err != nil {
		return err
	}
	parent, err := openDirectory(d.root, path.Dir(key))
	if err != nil {
		return op.missingOr(err)
	}
	defer func() { _ = parent.Close() }()
	if err := d.durable.ensure(d.root, path.Dir(key)); err != nil {
		return op.fileFault(err)
	}
	if err := syncDir(parent, (*os.File).Sync); err != nil {
		return op.fileFault(err)
	}
	return nil
}

func (d *dir) Delete(ctx context.Context, key string) error {
	op, err := d.begin(ctx, "delete", key)
	if err != nil {
		return err
	}
	parent, err := openDirectory(d.root, path.Dir(key))
	if err != nil {
		return ignoreNotFound(op.missingOr(err))
	}
	defer func() { _ = parent.Close() }()
	info, err := parent.Lstat(path.Base(key))
	switch {
	case err != nil:
		return ignoreNotFound(op.missingOr(err))
	case info.IsDir():
		return nil // no object, and Remove would take an empty directory
	}
	if err := parent.Remove(path.Base(key)); err != nil {
		return ignoreNotFound(op.missingOr(err))
	}
	if err := syncDir(parent, (*os.File).Sync); err != nil {
		return op.fileFault(err)
	}
	return nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// begin checks what every method checks first.
func (d *dir) begin(ctx context.Context, name, key string) (operation, error) {
	op := operation{ctx: ctx, name: name, key: key, store: d.url}
	if err := checkKey(key); err != nil {
		return op, err
	}
	if err := ctx.Err(); err != nil {
		return op, op.own(err)
	}
	return op, nil
}

// missingOr describes an error of opening a file that need not be there. A file
// where the key has a directory means as much as no file.
func (op operation) missingOr(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return op.notFound()
	}
	return op.fileFault(err)
}

// fileFault describes an error of the file system.
func (op operation) fileFault(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return op.full(err)
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS):
		return op.denied(err).Advise("let this process's user read and write the directory")
	case errors.Is(err, fs.ErrNotExist):
		return op.fail(CodeMissing, err).Advise("restore the store's directory, or mount it again")
	case errors.Is(err, syscall.ENOTDIR):
		return op.fail(CodeKeyConflict, err).
			Expecting("a directory at every element before the last").
			Advise("choose a key that does not lie below another object's").
			Permanent()
	case escapes(err):
		return op.denied(err).
			Expecting("links that stay inside the store").
			Advise("replace the link by what it points to").
			Permanent()
	}
	return op.unavailable(err)
}

// escapes reports whether err is os.Root's refusal to leave the root, the one
// error of a path that does not come from the operating system. It has no
// exported name.
func escapes(err error) bool {
	refused, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return false
	}
	_, system := errors.AsType[syscall.Errno](refused.Err)
	return !system && !errors.Is(refused.Err, fs.ErrClosed)
}

// conflict is the fault of a key at which there is a directory.
func (op operation) conflict() *fault.Error {
	return op.fail(CodeKeyConflict, syscall.EISDIR).
		Expecting("an object or nothing at the key").
		Advise("choose a key that other objects do not lie below").
		Permanent()
}
