// Package inbox submits the files that are put into folders, one folder for each
// mailbox, such as those that an SFTP server writes to:
//
//	DIR/ventas.yaml                     how files of mailbox ventas are checked; or
//	DIR/ventas.configuration            the name, or name@version, of one that it keeps
//	DIR/ventas/                         where its files are put
//	DIR/ventas/processing/ID/a.csv      claimed for execution ID, and not yet accepted
//	DIR/ventas/processed/ID/a.csv       accepted as execution ID
//	DIR/ventas/rejected/ID/a.csv        refused; a.csv.reason.txt beside it says why
//	DIR/.claims/ventas/ID.yaml          how a claimed file is checked
//
// What surprises: there is no record of what was done but the folders themselves. A file
// is claimed by one rename, into a folder that is named for its execution. Whoever
// finds it there submits it under that id, which may be done any number of times. So it
// is executed once, whenever the process or the machine dies.
package inbox

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// CodeUnavailable says that the directory can't be watched.
const CodeUnavailable fault.Code = "INBOX_UNAVAILABLE"

// Config says when files are taken.
type Config struct {
	// Settle is how long a file must not have changed before it is taken.
	Settle time.Duration `env:"INBOX_SETTLE" envDefault:"5s"`
	// Every is how often folders are looked through, besides when the system says that
	// they changed.
	Every time.Duration `env:"INBOX_EVERY" envDefault:"10s"`
	// Submits is how many files are submitted at once.
	Submits int `env:"INBOX_SUBMITS" envDefault:"4"`
	// MaxFileBytes is how large a file may be that is not rejected.
	MaxFileBytes int64 `env:"INBOX_MAX_FILE_BYTES" envDefault:"21474836480"`
	// RetryCap is the longest wait before a file is tried again that could not be submitted,
	// because storage is full or NATS away. Until then its mailbox waits.
	RetryCap time.Duration `env:"INBOX_RETRY_CAP" envDefault:"30s"`
}

// Validate refuses values that can't work, by variable.
func (c Config) Validate() error {
	switch {
	case c.Settle <= 0:
		return settings.Invalid("INBOX_SETTLE", c.Settle, "a positive duration: files arrive bit by bit")
	case c.Every <= 0:
		return settings.Invalid("INBOX_EVERY", c.Every, "a positive duration")
	case c.Submits < 1:
		return settings.Invalid("INBOX_SUBMITS", c.Submits, "1 or more")
	case c.MaxFileBytes < 1:
		return settings.Invalid("INBOX_MAX_FILE_BYTES", c.MaxFileBytes, "1 or more")
	case c.RetryCap <= 0:
		return settings.Invalid("INBOX_RETRY_CAP", c.RetryCap, "a positive duration")
	}
	return nil
}

// Submitter accepts an execution. Repeating a submission with the same id and content
// must be harmless.
type Submitter interface {
	Submit(ctx context.Context, s producer.Submission) (execution.Request, error)
}

// Named returns what a reference means to a mailbox now.
type Named interface {
	Get(ctx context.Context, mailbox string, ref configurations.Ref) (configurations.Version, []byte, error)
}

// Watcher is told what becomes of files.
type Watcher interface {
	// FileSubmitted: a file of mailbox was accepted.
	FileSubmitted(mailbox string)
	// FileRejected: a file of mailbox was refused.
	FileRejected(mailbox string)
	// FilesWaiting: so many of mailbox are there that were neither.
	FilesWaiting(mailbox string, n int)
}

type noWatcher struct{}

func (noWatcher) FileSubmitted(string)     {}
func (noWatcher) FileRejected(string)      {}
func (noWatcher) FilesWaiting(string, int) {}

// Inbox submits the files of one directory.
type Inbox struct {
	dir     string
	submit  Submitter
	named   Named
	cfg     Config
	watcher Watcher
	trouble trouble
	deaf    bool // only looks through folders from time to time
}

// Option changes an Inbox.
type Option func(*Inbox)

// WithWatcher tells w what happens.
func WithWatcher(w Watcher) Option { return func(in *Inbox) { in.watcher = w } }

// New returns an Inbox of the directory dir.
func New(dir string, submit Submitter, named Named, cfg Config, opts ...Option) *Inbox {
	in := &Inbox{dir: dir, submit: submit, named: named, cfg: cfg, watcher: noWatcher{}}
	for _, opt := range opts {
		opt(in)
	}
	return in
}

// Flowing returns nil while files can be submitted, and otherwise what keeps them. A mailbox
// that has no configuration keeps only its own.
func (in *Inbox) Flowing(context.Context) error { return in.trouble.now() }

// Run submits files until ctx ends. What is under way then is left as it is, claimed:
// the next Run goes on with it.
func (in *Inbox) Run(ctx context.Context) error {
	if err := in.cfg.Validate(); err != nil {
		return err
	}
	root, err := os.OpenRoot(in.dir)
	if err != nil {
		return fault.New(CodeUnavailable, "open the inbox: %w", err).
			Expecting("a directory that may be written to").Advise("make it, with a folder for each mailbox")
	}
	defer func() { _ = root.Close() }()
	alone, err := only(ctx, root)
	if err != nil || ctx.Err() != nil {
		return err
	}
	defer alone()
	bell := newBell(ctx, in.dir, in.deaf)
	defer bell.close()
	r := &round{Inbox: in, root: root, bell: bell, folders: map[string]*folder{}, ended: make(chan ending)}
	defer r.close()
	for {
		wait := r.turn(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-bell.rang:
			r.rung = true
		case e := <-r.ended:
			r.end(ctx, e)
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round is what a running Inbox knows. It belongs to one goroutine; submissions run in
// others, and come back through ended.
type round struct {
	*Inbox
	root    *os.Root
	bell    *bell
	folders map[string]*folder
	order   []*folder // whose turn is next is first
	warned  map[string]bool

	rung   bool
	looked time.Time     // when folders were looked through
	took   time.Duration // how long that took
	again  time.Duration // when to look next, if nothing happens
	busy   int
	ended  chan ending
}

// gentle is how much of the time looking through folders may take: each file that comes
// or goes rings, and a folder may hold a hundred thousand.
const gentle = 5

// turn looks through the folders if it is time, submits what it may, and returns how long
// nothing is to be done.
func (r *round) turn(ctx context.Context) time.Duration {
	rest := max(gentle*r.took, 50*time.Millisecond)
	due := r.looked.Add(r.again)
	if r.rung && r.looked.Add(rest).Before(due) {
		due = r.looked.Add(rest)
	}
	if r.looked.IsZero() || !time.Now().Before(due) {
		began := time.Now()
		r.rung = false
		r.again = r.look(ctx)
		r.looked = time.Now()
		r.took = r.looked.Sub(began)
		due = r.looked.Add(max(r.again, gentle*r.took))
	}
	next := r.dispatch(ctx)
	if next.IsZero() || due.Before(next) {
		next = due
	}
	return max(time.Until(next), 0)
}

// dispatch begins submissions while there is room, one mailbox after the other, and
// returns when one that waits may go on; zero when none does.
func (r *round) dispatch(ctx context.Context) (next time.Time) {
	for idle := 0; idle < len(r.order) && r.busy < r.cfg.Submits && ctx.Err() == nil; {
		f := r.order[0]
		r.order = append(r.order[1:], f)
		j, ok := f.take(ctx, r.Inbox)
		if !ok {
			idle++
			if f.until.After(time.Now()) && (next.IsZero() || f.until.Before(next)) {
				next = f.until
			}
			continue
		}
		idle = 0
		r.busy++
		f.busy++
		go func() { r.ended <- ending{j, r.carry(ctx, j)} }()
	}
	return next
}

// end notes what came of a submission.
func (r *round) end(ctx context.Context, e ending) {
	r.busy--
	f := e.job.folder
	f.busy--
	log := zerolog.Ctx(ctx).With().Str("mailbox", f.mailbox).Str("execution", e.job.id).Str("file", e.job.name).Logger()
	refused, isRefused := errors.AsType[*rejection](e.err)
	switch {
	case e.err == nil:
		f.well()
		r.trouble.clear(f.mailbox)
		r.watcher.FileSubmitted(f.mailbox)
		log.Info().Msg("file submitted")
	case isRefused:
		r.watcher.FileRejected(f.mailbox)
		log.Warn().Err(refused.why).Msg("file rejected")
	case ctx.Err() != nil:
		f.claimed = append(f.claimed, e.job)
	default:
		f.claimed = append([]job{e.job}, f.claimed...)
		f.ill(r.cfg.RetryCap)
		r.trouble.set(f.mailbox, e.err)
		log.Warn().Err(e.err).Dur("retry_in", time.Until(f.until)).Msg("file waits: it could not be submitted")
	}
	r.watcher.FilesWaiting(f.mailbox, f.waiting())
}

// close waits for what is under way.
func (r *round) close() {
	for ; r.busy > 0; r.busy-- {
		<-r.ended
	}
	for _, f := range r.folders {
		_ = f.root.Close()
	}
}
