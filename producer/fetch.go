package producer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Codes of files that were not written.
const (
	CodeFileExists fault.Code = "FILE_EXISTS"
	CodeFileDigest fault.Code = "FILE_DIGEST" // what is stored is not what was committed
	CodeFileName   fault.Code = "FILE_NAME"
)

// Fetched is one file of an execution.
type Fetched struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // hex
	// Written is false for an input that doesn't lie in this store. Source says
	// where it does; it is empty when it is a file of an earlier execution.
	Written bool   `json:"written"`
	Source  string `json:"source,omitempty"`
}

// Item is one file of an execution that has ended.
type Item struct {
	Name string // among all of them
	File execution.File
	Open func() (io.ReadCloser, error) // nil when it lies in another store
}

// Fetch writes the files of o into dir as the original left them, in one flat
// folder: the results, the first input as data.<ext>, and further inputs under
// their own names. Each is written whole and verified, or not at all. Unless
// overwrite is set nothing is written when one of them is there already.
func Fetch(ctx context.Context, objects storage.Store, o execution.Outcome, dir *os.Root, overwrite bool) ([]Fetched, error) {
	items, err := Items(ctx, objects, o)
	if err != nil {
		return nil, err
	}
	if !overwrite {
		if err := refuseExisting(dir, items); err != nil {
			return nil, err
		}
	}
	var done []Fetched
	for _, it := range items {
		if it.Open != nil {
			if err := it.write(dir); err != nil {
				return done, fmt.Errorf("fetch %q: %w", it.Name, err)
			}
		}
		done = append(done, Fetched{Name: it.Name, Size: it.File.Size, SHA256: it.File.SHA256, Written: it.Open != nil, Source: it.File.Source})
	}
	return done, nil
}

// Items are the files of o and what each is called: results have their own names, the
// first input is data.<ext>. What is opened must be compared with its File: it is
// what was committed only if the SHA-256 says so.
func Items(ctx context.Context, objects storage.Store, o execution.Outcome) ([]Item, error) {
	if o.Erased != nil {
		return nil, fault.New(CodeErased, "%s erased the data of execution %s on %s", o.Erased.By, o.ID, o.Erased.At.Format(time.DateOnly)).Permanent()
	}
	var items []Item
	taken := map[string]bool{}
	outcomes := outcome.New(objects)
	for _, f := range o.Files {
		items = append(items, Item{freeName(taken, f.Name), f, func() (io.ReadCloser, error) { return outcomes.Open(ctx, o, f.Name) }})
	}
	own := storage.Join(objects.URL(), "")
	for i, f := range o.Inputs {
		name := f.Name
		if i == 0 {
			name = "data" + path.Ext(f.Name)
		}
		it := Item{Name: freeName(taken, name), File: f}
		if key, ok := strings.CutPrefix(f.Source, own); ok {
			it.Open = func() (io.ReadCloser, error) { return objects.Get(ctx, key) }
		}
		items = append(items, it)
	}
	for _, it := range items {
		if !execution.IsFilename(it.Name) {
			return nil, fault.New(CodeFileName, "the outcome names a file %.80q", it.Name).
				Expecting("a plain file name").Permanent()
		}
	}
	return items, nil
}

// freeName returns name, or name with a number when a file is called so already.
// Case is no difference: on some file systems it makes none.
func freeName(taken map[string]bool, name string) string {
	free, ext := name, path.Ext(name)
	for n := 2; taken[strings.ToLower(free)]; n++ {
		free = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, ext), n, ext)
	}
	taken[strings.ToLower(free)] = true
	return free
}

func refuseExisting(dir *os.Root, items []Item) error {
	for _, it := range items {
		_, err := dir.Lstat(it.Name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		return fault.New(CodeFileExists, "%s has a file %s already", dir.Name(), it.Name).
			Expecting("a folder without the files of an execution").Advise("choose another folder, or overwrite with --force").Permanent()
	}
	return nil
}

// write stores the file under another name first, so that a broken one never
// bears its own.
func (it Item) write(dir *os.Root) (err error) {
	body, err := it.Open()
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	temp := ".sage-" + rand.Text() + ".part"
	out, err := dir.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = dir.Remove(temp)
		}
	}()
	h := sha256.New()
	// One byte more than there should be tells a longer file without reading it all.
	n, err := io.Copy(io.MultiWriter(out, h), io.LimitReader(body, it.File.Size+1))
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); n != it.File.Size || got != it.File.SHA256 {
		return fault.New(CodeFileDigest, "%d bytes are stored with the SHA-256 %s", n, got).
			Expecting("%d bytes with %s, as the outcome says", it.File.Size, it.File.SHA256).
			Advise("the stored file was changed or damaged; restore it from a backup").Permanent()
	}
	return dir.Rename(temp, it.Name)
}
