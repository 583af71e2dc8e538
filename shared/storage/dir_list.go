package storage

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
)

// pageOf is how many names of one directory are held at a time. More are read in
// several passes over it, so that whoever takes a million objects slowly does not
// hold their names meanwhile.
const pageOf = 1 << 16

// List holds a bounded part of each directory on its way. It passes over what is no object of this store:
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
		walk := walker{op: op, root: d.root, prefix: prefix, page: pageOf, yield: yield}
		walk.dir(start)
	}
}

// walker yields the objects under prefix.
type walker struct {
	op     operation
	root   *os.Root
	prefix string
	page   int // names of a directory at a time
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
	for last, more := "", true; more; {
		var names []string
		if names, more, err = readDir(r, last, w.page); err != nil {
			return w.skipOr(w.op.missingOr(err))
		}
		for _, below := range names {
			if err := w.op.ctx.Err(); err != nil {
				w.yield(Info{}, w.op.own(err))
				return false
			}
			if last = below; !w.entry(r, below, name+below) {
				return false
			}
		}
	}
	return true
}

// entry walks what has that name in r, a directory if it ends in a slash.
func (w *walker) entry(r *os.Root, name, key string) bool {
	isDir := strings.HasSuffix(name, "/")
	switch {
	case checkKey(strings.TrimSuffix(key, "/")) != nil || !strings.HasPrefix(key, w.prefix):
		return true
	case isDir:
		return w.dir(key)
	}
	// Through the root: what a directory entry would look at may have been replaced
	// by a link meanwhile.
	info, err := r.Lstat(name)
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

// readDir returns the first most names after last of the regular files and
// directories in r, in the order of the keys below them, and whether there may be
// more. A directory's name has the slash that its keys go on with: "a.csv" sorts
// before "a/b.csv" although "a" sorts before both.
func readDir(r *os.Root, last string, most int) (names []string, more bool, err error) {
	f, err := r.Open(".")
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(min(most, 1024))
		for _, entry := range entries {
			name := entry.Name()
			if entry.IsDir() {
				name += "/"
			} else if !entry.Type().IsRegular() {
				continue
			}
			if name > last {
				names = append(names, name)
			}
		}
		if ended := errors.Is(err, io.EOF); err != nil && !ended {
			return nil, false, err
		} else if ended || len(names) >= 2*most {
			slices.Sort(names)
			more = more || len(names) > most
			clear(names[min(most, len(names)):])
			names = names[:min(most, len(names))]
			if ended {
				return names, more, nil
			}
		}
	}
}
