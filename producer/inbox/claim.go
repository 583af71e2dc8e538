package inbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
)

// pins is where configurations are kept as they were when a file was claimed: a
// repetition must have the same content. It is out of reach of who puts files into
// folders, and a claim that has none isn't ours.
const pins = ".claims"

// reason is added to a rejected file's name.
const reason = ".reason.txt"

const (
	dirMode  = 0o750
	fileMode = 0o640
)

// job is a claimed file.
type job struct {
	folder   *folder
	id, name string
}

func (j job) dir() string  { return path.Join(processing, j.id) }
func (j job) path() string { return path.Join(processing, j.id, j.name) }
func (j job) pin() string  { return path.Join(pins, j.folder.mailbox, j.id+textSuffix) }

// claim takes a file under a new id. It reports false when the file is gone, or is no
// more as it was seen.
func (f *folder) claim(name string, config []byte) (job, bool, error) {
	info, err := f.root.Lstat(name)
	if err != nil || !same(info, f.seen[name].info) {
		return job{}, false, nil //nolint:nilerr // the next look tells
	}
	j := job{f, producer.NewID(), name}
	if err := f.prepare(j, config); err != nil {
		return j, false, fmt.Errorf("claim %q: %w", name, err)
	}
	failpoint.Hit(failpoint.InboxPinned)
	if err := f.root.Rename(name, j.path()); err != nil {
		_ = f.root.Remove(j.dir())
		_ = f.top.Remove(j.pin())
		if errors.Is(err, fs.ErrNotExist) {
			return j, false, nil
		}
		return j, false, fmt.Errorf("claim %q: %w", name, err)
	}
	failpoint.Hit(failpoint.InboxClaimed)
	return j, true, nil
}

// prepare makes the place for a claim, and writes down how its file is checked.
func (f *folder) prepare(j job, config []byte) error {
	if err := f.top.MkdirAll(path.Dir(j.pin()), dirMode); err != nil {
		return err
	}
	if err := f.top.WriteFile(j.pin(), config, fileMode); err != nil {
		return err
	}
	return f.root.MkdirAll(j.dir(), dirMode)
}

// recover lists what was claimed and not brought to an end, and forgets claims of
// nothing.
func (f *folder) recover(warn func(string)) ([]job, error) {
	ours, err := f.pinned()
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(f.root.FS(), processing)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []job
	for _, e := range entries {
		if !e.IsDir() || !ours[e.Name()] {
			warn(fmt.Sprintf("%s of mailbox %s was not claimed by `sage watch`: it stays there", path.Join(processing, e.Name()), f.mailbox))
			continue
		}
		name, err := f.inside(e.Name())
		if err != nil {
			return nil, err
		}
		if name == "" {
			_ = f.root.Remove(path.Join(processing, e.Name()))
			continue
		}
		delete(ours, e.Name())
		all = append(all, job{f, e.Name(), name})
	}
	for id := range ours { // it ended, or was never claimed
		if err := f.top.Remove(job{folder: f, id: id}.pin()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// pinned are the ids of claims.
func (f *folder) pinned() (map[string]bool, error) {
	entries, err := fs.ReadDir(f.top.FS(), path.Join(pins, f.mailbox))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ids := map[string]bool{}
	for _, e := range entries {
		if id, is := strings.CutSuffix(e.Name(), textSuffix); is && execution.ValidateID(id) == nil {
			ids[id] = true
		}
	}
	return ids, nil
}

// inside is the name of the file that was claimed under an id, or "".
func (f *folder) inside(id string) (string, error) {
	entries, err := fs.ReadDir(f.root.FS(), path.Join(processing, id))
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	names = slices.DeleteFunc(names, func(name string) bool { // what was written just before the end
		of, is := strings.CutSuffix(name, reason)
		return is && (of == id || slices.Contains(names, of))
	})
	if len(names) == 0 {
		return "", nil
	}
	return names[0], nil
}

// keep makes the claim durable: what is submitted under an id must not be found unclaimed
// after a power failure.
func (j job) keep() error {
	return errors.Join(syncAll(j.folder.top, j.pin(), path.Dir(j.pin())), syncAll(j.folder.root, j.dir(), processing, "."))
}

// move brings a claim to its end: one rename.
func (j job) move(to string) error {
	root := j.folder.root
	if err := root.MkdirAll(to, dirMode); err != nil {
		return err
	}
	err := root.Rename(j.dir(), path.Join(to, j.id))
	if err == nil {
		err = syncAll(root, to, processing)
	}
	if err != nil {
		return err
	}
	return j.folder.top.Remove(j.pin())
}

// syncAll makes folders durable, and files.
func syncAll(root *os.Root, names ...string) error {
	for _, name := range names {
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		err = f.Sync()
		if err = errors.Join(ignoreUnsupported(err), f.Close()); err != nil {
			return fmt.Errorf("sync %s: %w", name, err)
		}
	}
	return nil
}

// ignoreUnsupported forgives file systems that can't sync a folder.
func ignoreUnsupported(err error) error {
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// open opens the claimed file, and nothing that has taken its place.
func (j job) open() (*os.File, error) {
	before, err := j.folder.root.Lstat(j.path())
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, notRegular(j.name, before.Mode())
	}
	f, err := j.folder.root.OpenFile(j.path(), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = notRegular(j.name, after.Mode())
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
