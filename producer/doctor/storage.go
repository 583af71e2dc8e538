package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/disk"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// ProbePrefix is where objects are created to see whether storage does what the
// fleet rests on.
const ProbePrefix = "probes/"

// CodeRewritten says that storage lets a second writer win, so that results could be
// committed twice.
const CodeRewritten fault.Code = "STORAGE_NOT_WRITE_ONCE"

// racers create one object at once, and one of them may win.
const racers = 4

// storage asks whether files are kept as the fleet needs it.
func (d *Doctor) storage(ctx context.Context) []Finding {
	if d.fleet.Storage == "" {
		return []Finding{fail("set STORAGE_URL, or give --storage, the same as the workers'", "no storage is named")}
	}
	dir := directory(d.fleet.Storage)
	if dir != "" {
		// Opening it would make it, also where somebody mistyped the path.
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return []Finding{warn("correct STORAGE_URL, or leave it: the first that uses it makes it", "there is no directory %s", dir)}
		}
	}
	objects, err := storage.Open(ctx, d.fleet.Storage)
	if err != nil {
		return Failed(err)
	}
	found := d.Probe(ctx, objects)
	if dir != "" {
		found = append(found, d.space(ctx, dir)...)
	}
	return found
}

// directory is where a file:// URL points, or "".
func directory(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "file" || u.Host != "" || u.Path == "" {
		return ""
	}
	return filepath.FromSlash(u.Path)
}

// Probe has several writers create one object, and reads who won.
func (d *Doctor) Probe(ctx context.Context, objects storage.Store) []Finding {
	key := ProbePrefix + d.now().UTC().Format("20060102T150405") + "-" + strings.ToLower(rand.Text()[:10])
	body := func(author int) []byte { return fmt.Appendf(nil, "sage doctor: author %d of %s", author, key) }
	began := time.Now()
	if err := objects.Create(ctx, key, body(0)); err != nil {
		return Failed(err)
	}
	created := time.Since(began)
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() { errs[i] = objects.Create(ctx, key, body(i+1)) })
	}
	wg.Wait()
	began = time.Now()
	have, err := read(ctx, objects, key)
	took := time.Since(began)
	info, statErr := objects.Stat(ctx, key)
	left := objects.Delete(ctx, key)
	if err = errors.Join(err, statErr); err != nil {
		return Failed(err)
	}
	for _, e := range errs {
		if e != nil && !errors.Is(e, storage.ErrExists) {
			return Failed(e)
		}
		if e == nil || !bytes.Equal(have, body(0)) {
			f := fail("use a store that honours If-None-Match: *, or link(2) in a directory: with this one results could be committed twice",
				"%s lets what exists be created again", objects.URL())
			f.Code = CodeRewritten
			return []Finding{f}
		}
	}
	found := []Finding{ok("%s: what exists stays as it is; created in %v, read in %v", objects.URL(), rounded(created), rounded(took))}
	if created > d.limits.Slow {
		found = append(found, warn("look at the disk, or at the way to the bucket: each execution waits once for it",
			"it took %v to create a small object", rounded(created)))
	}
	// Times of files are compared to decide what to keep, and what to look after.
	if f := d.judgeClock("storage's", d.now().Sub(info.Modified), took+time.Second); f.Status != OK {
		f.Check = "storage.clock"
		found = append(found, f)
	}
	if left != nil {
		found = append(found, warn("delete it, or let this identity delete under "+ProbePrefix, "%s may not be deleted again: %v", key, fault.CodeOf(left)))
	}
	return found
}

func read(ctx context.Context, objects storage.Store, key string) ([]byte, error) {
	r, err := objects.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(io.LimitReader(r, 1<<10))
}

// space asks how much room a directory has, in bytes and in files.
func (d *Doctor) space(ctx context.Context, dir string) []Finding {
	u, err := disk.UsageWithContext(ctx, dir)
	if err != nil {
		return []Finding{{Check: "storage.space", Status: Skip, Found: fmt.Sprintf("how full %s is can't be known: %v", dir, err)}}
	}
	if u.Total == 0 {
		return []Finding{{Check: "storage.space", Status: Skip, Found: dir + " doesn't say how large it is"}}
	}
	free, what := 100*float64(u.Free)/float64(u.Total), fmt.Sprintf("%s of %s are free in %s", size(u.Free), size(u.Total), dir)
	if u.InodesTotal > 0 {
		if files := 100 * float64(u.InodesFree) / float64(u.InodesTotal); files < free {
			free, what = files, fmt.Sprintf("%d of %d files may still be made in %s", u.InodesFree, u.InodesTotal, dir)
		}
	}
	const do = "free or add space: see what `sage admin gc --dry-run` would delete"
	f := ok("%s (%.0f %%)", what, free)
	switch {
	case free < d.limits.Full:
		f = fail(do, "%s (%.1f %%)", what, free)
	case free < d.limits.Low:
		f = warn(do, "%s (%.1f %%)", what, free)
	}
	f.Check = "storage.space"
	return []Finding{f}
}
