package storage

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
)

// Whoever takes a million objects slowly must not hold their names meanwhile. So a
// directory is read in passes, of which each keeps a page of its names: as many as
// that, or a 16th of all if that is more, so that the passes stay few.
const (
	pageOf    = 4096
	maxPasses = 16
)

// List holds a part of each directory on its way. It passes over what is no object of this store:
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
	var behind []string // directories of earlier pages that sort behind those
	for last, left, page := "", 1, w.page; left > 0; page = max(w.page, left/maxPasses) {
		var names []string
		if names, left, err = readNames(r, last, page); err != nil {
			return w.skipOr(w.op.missingOr(err))
		}
		if len(names) > 0 {
			last = names[len(names)-1]
		}
		sorted, err := w.sort(r, name, behind, names)
		if err != nil {
			return w.skipOr(err)
		}
		n := len(sorted)
		if left > 0 { // what isn't read yet sorts behind last
			n, _ = slices.BinarySearch(sorted, last+"\x00")
		}
		for _, below := range sorted[:n] {
			if err := w.op.ctx.Err(); err != nil {
				w.yield(Info{}, w.op.own(err))
				return false
			}
			if !w.entry(r, below, name+below) {
				return false
			}
		}
		behind = slices.Clone(sorted[n:])
	}
	return true
}

// sort returns the regular files and the directories of names under dir that keys
// may lie below, and those before them, in the order of those keys: with a slash
// behind each directory, since "a.csv" sorts before "a/b.csv" although "a" sorts
// before both.
func (w *walker) sort(r *os.Root, dir string, sorted, names []string) ([]string, error) {
	for _, name := range names {
		if !strings.HasPrefix(dir+name+"/", w.prefix) {
			continue
		}
		info, err := r.Lstat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone meanwhile
		case err != nil:
			return nil, w.op.missingOr(err)
		case info.IsDir():
			sorted = append(sorted, name+"/")
		case info.Mode().IsRegular():
			sorted = append(sorted, name)
		}
	}
	slices.Sort(sorted)
	return sorted, nil
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

// readNames returns the first most names in r after last, in order, and how many
// are left.
func readNames(r *os.Root, last string, most int) (names []string, left int, err error) {
	f, err := r.Open(".")
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	for {
		part, err := f.Readdirnames(1024)
		for _, name := range part {
			if name > last {
				names = append(names, name)
			}
		}
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return nil, 0, err
		}
		if over := len(names) - most; over >= most || ended {
			slices.Sort(names)
			if over > 0 {
				clear(names[most:])
				names, left = names[:most], left+over
			}
		}
		if ended {
			return names, left, nil
		}
	}
}
