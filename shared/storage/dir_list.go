package storage

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
)

// List reads one directory at a time, so its memory grows with the largest
// directory, not with the store. It passes over what is no object of this store:
// symbolic links, devices, and names that no key can have.
func (d *dir) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		op := operation{ctx: ctx, name: "list", key: prefix, store: d.url}
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		start := ""
		if cut := strings.LastIndexByte(prefix, '/'); cut >= 0 {
			start = prefix[:cut+1]
		}
		walk := walker{op: op, root: d.root, prefix: prefix, yield: yield}
		walk.dir(start)
	}
}

// walker yields the objects under prefix.
type walker struct {
	op     operation
	root   *os.Root
	prefix string
	yield  func(Info, error) bool
}

// dir walks the directory name, which is empty or ends in a slash, and reports
// whether to go on.
func (w *walker) dir(name string) bool {
	r, err := openDirectory(w.root, path.Clean(name))
	if err != nil {
		return w.skipOr(w.op.missingOr(err))
	}
	defer r.Close()
	entries, err := readDir(r)
	if err != nil {
		return w.skipOr(w.op.missingOr(err))
	}
	for _, entry := range entries {
		key := name + entry.Name()
		if !entry.IsDir() && !entry.Type().IsRegular() || checkKey(key) != nil {
			continue
		}
		if err := w.op.ctx.Err(); err != nil {
			w.yield(Info{}, w.op.own(err))
			return false
		}
		if !w.entry(r, entry, key) {
			return false
		}
	}
	return true
}

func (w *walker) entry(r *os.Root, entry fs.DirEntry, key string) bool {
	switch {
	case !strings.HasPrefix(sortName(key, entry), w.prefix):
		return true
	case entry.IsDir():
		return w.dir(key + "/")
	}
	// Through the root: what entry.Info would look at may have been replaced by
	// a link meanwhile.
	info, err := r.Lstat(entry.Name())
	if err != nil {
		return w.skipOr(w.op.missingOr(err))
	}
	return w.yield(Info{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil)
}

// skipOr goes on when something went away while the walk was on its way to it.
func (w *walker) skipOr(err error) bool {
	if errors.Is(err, ErrNotFound) {
		return true
	}
	w.yield(Info{}, err)
	return false
}

// readDir returns the entries of a directory in the order of the keys below them.
func readDir(r *os.Root) ([]fs.DirEntry, error) {
	f, err := r.Open(".")
	if err != nil {
		return nil, err
	}
	entries, err := f.ReadDir(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int {
		return cmp.Compare(sortName(a.Name(), a), sortName(b.Name(), b))
	})
	return entries, nil
}

// sortName gives directories the slash that their keys go on with: "a.csv" sorts
// before "a/b.csv" although "a" sorts before both.
func sortName(name string, entry fs.DirEntry) string {
	if entry.IsDir() {
		return name + "/"
	}
	return name
}
