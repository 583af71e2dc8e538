package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// Folders inside a mailbox's.
const (
	processing = "processing"
	processed  = "processed"
	rejected   = "rejected"
)

// folder is a mailbox's.
type folder struct {
	mailbox string
	root    *os.Root
	top     *os.Root // the one above
	seen    map[string]sight
	ready   []string // names of files that are complete, in the order of names
	claimed []job
	busy    int
	config  source
	held    string // why nothing is claimed, as it was logged

	delay time.Duration // the last wait after a failure
	until time.Time     // when to go on after it
}

// well says that files can be submitted.
func (f *folder) well() { f.delay, f.until = 0, time.Time{} }

// ill has the mailbox wait, longer each time.
func (f *folder) ill(most time.Duration) {
	f.delay = min(max(2*f.delay, 500*time.Millisecond), most)
	f.until = time.Now().Add(f.delay)
}

func (f *folder) waiting() int { return len(f.seen) + len(f.claimed) + f.busy }

// take returns the next file to submit, claimed. After a failure one goes ahead, and
// the others wait for what comes of it.
func (f *folder) take(ctx context.Context, in *Inbox) (job, bool) {
	if time.Now().Before(f.until) || f.delay > 0 && f.busy > 0 {
		return job{}, false
	}
	if len(f.claimed) > 0 {
		j := f.claimed[0]
		f.claimed = f.claimed[1:]
		return j, true
	}
	for len(f.ready) > 0 {
		text, err := f.config.read(ctx, in.named)
		if err != nil { // one mailbox's own affair: the inbox is as ready as before
			f.hold(ctx, in, err)
			return job{}, false
		}
		name := f.ready[0]
		f.ready = f.ready[1:]
		j, ok, err := f.claim(name, text)
		if err != nil {
			in.trouble.set(f.mailbox, err)
			f.hold(ctx, in, err)
			return job{}, false
		}
		if f.held != "" {
			f.held = ""
			in.trouble.clear(f.mailbox)
		}
		if ok {
			delete(f.seen, name)
			return j, true
		}
	}
	return job{}, false
}

// hold says once why the files of the mailbox stay where they are.
func (f *folder) hold(ctx context.Context, in *Inbox, err error) {
	f.ill(in.cfg.RetryCap)
	if f.held != err.Error() {
		f.held = err.Error()
		zerolog.Ctx(ctx).Warn().Err(err).Str("mailbox", f.mailbox).Int("files", f.waiting()).Msg("files wait: none can be taken")
	}
}

// look looks through all folders and returns when to do so again.
func (r *round) look(ctx context.Context) time.Duration {
	entries, err := fs.ReadDir(r.root.FS(), ".")
	if err != nil {
		r.trouble.set("", err)
		r.warn(ctx, "the inbox can't be listed: "+err.Error())
		return r.cfg.Every
	}
	r.trouble.clear("")
	here := map[string]bool{}
	again := r.cfg.Every
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := execution.ValidateMailbox(e.Name()); err != nil {
			r.warn(ctx, fmt.Sprintf("folder %q is no mailbox's: %v", e.Name(), err))
			continue
		}
		here[e.Name()] = true
		f, err := r.folder(ctx, e.Name())
		if err != nil {
			r.trouble.set(e.Name(), err)
			r.warn(ctx, err.Error())
			continue
		}
		settling, err := r.sift(f)
		if err != nil {
			r.trouble.set(f.mailbox, err)
			f.hold(ctx, r.Inbox, err)
			continue
		}
		if settling {
			again = min(again, max(r.cfg.Settle/4, 20*time.Millisecond))
		}
		r.watcher.FilesWaiting(f.mailbox, f.waiting())
	}
	r.order = slices.DeleteFunc(r.order, func(f *folder) bool { return !here[f.mailbox] && f.busy == 0 })
	for name, f := range r.folders {
		if !here[name] && f.busy == 0 {
			_ = f.root.Close()
			delete(r.folders, name)
			r.trouble.clear(name)
		}
	}
	return again
}

// warn logs a text once.
func (r *round) warn(ctx context.Context, text string) {
	if r.warned == nil {
		r.warned = map[string]bool{}
	}
	if !r.warned[text] {
		r.warned[text] = true
		zerolog.Ctx(ctx).Warn().Msg(text)
	}
}

// folder returns what is known of a mailbox's folder, with what an earlier process
// had claimed when it is met first.
func (r *round) folder(ctx context.Context, mailbox string) (*folder, error) {
	if f := r.folders[mailbox]; f != nil {
		return f, nil
	}
	root, err := r.root.OpenRoot(mailbox)
	if err != nil {
		return nil, fmt.Errorf("open the folder of mailbox %s: %w", mailbox, err)
	}
	f := &folder{mailbox: mailbox, root: root, top: r.root, seen: map[string]sight{}, config: source{root: r.root, mailbox: mailbox}}
	if f.claimed, err = f.recover(func(text string) { r.warn(ctx, text) }); err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("look for what mailbox %s had claimed: %w", mailbox, err)
	}
	if n := len(f.claimed); n > 0 {
		zerolog.Ctx(ctx).Info().Str("mailbox", mailbox).Int("files", n).Msg("going on with claimed files")
	}
	r.bell.add(ctx, path.Join(r.dir, mailbox))
	r.folders[mailbox] = f
	r.order = append(r.order, f)
	return f, nil
}

// batch is how many entries of a folder are read at once.
const batch = 1000

// sift finds the files that are complete, and reports whether others are yet to be.
func (r *round) sift(f *folder) (settling bool, err error) {
	dir, err := f.root.Open(".")
	if err != nil {
		return false, err
	}
	defer func() { _ = dir.Close() }()
	now, seen := time.Now(), make(map[string]sight, len(f.seen))
	f.ready = f.ready[:0]
	for {
		entries, err := dir.ReadDir(batch)
		for _, e := range entries {
			if e.IsDir() || passing(e.Name()) {
				continue
			}
			info, err := f.root.Lstat(e.Name())
			if err != nil {
				continue // gone, or renamed
			}
			s := f.seen[e.Name()].again(info, now)
			seen[e.Name()] = s
			if s.settled(now, r.cfg.Settle) && (!info.Mode().IsRegular() || !f.written(e.Name())) {
				f.ready = append(f.ready, e.Name())
			} else {
				settling = true
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
	}
	f.seen = seen
	slices.Sort(f.ready)
	return settling, nil
}
