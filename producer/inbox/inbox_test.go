package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/producer/inbox"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

const config = "sage_yaml: {name: n, description: d, version: '1', author: a}\n" +
	"catalogs: {c: {name: c, description: d, filename: data.csv, file_format: {type: CSV, delimiter: ',', header: true},\n" +
	"  fields: [{name: id, type: texto}]}}\npackages: {}\n"

var quick = inbox.Config{Settle: 40 * time.Millisecond, Every: time.Second, Submits: 4, MaxFileBytes: 1000, RetryCap: 50 * time.Millisecond}

// site is a directory that is watched, and what it is submitted to.
type site struct {
	t       *testing.T
	dir     string
	js      jetstream.JetStream
	objects storage.Store
	submit  inbox.Submitter
	cfg     inbox.Config
	watched watched
	opts    []inbox.Option
	in      *inbox.Inbox
}

func newSite(t *testing.T, mailboxes ...string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), js: bustest.Start(t), objects: storagetest.Dir(t), cfg: quick}
	s.submit = producer.New(s.js, s.objects)
	for _, m := range mailboxes {
		s.write(m+".yaml", config)
		s.mkdir(m)
	}
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) mkdir(name string) { s.t.Helper(); s.must(os.Mkdir(s.path(name), 0o750)) }
func (s *site) write(name, text string) {
	s.t.Helper()
	s.must(os.WriteFile(s.path(name), []byte(text), 0o600))
}

// run watches until the returned function is called, or the test ends.
func (s *site) run() (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	in := inbox.New(s.dir, s.submit, configurations.New(s.objects), s.cfg, append(s.opts, inbox.WithWatcher(&s.watched))...)
	ended := make(chan error, 1)
	s.in = in
	go func() { ended <- in.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	})
	s.t.Cleanup(stop)
	return stop
}

// files are the regular files below a folder, by their path without ids.
func (s *site) files(folder string) (found []string) {
	s.t.Helper()
	err := filepath.WalkDir(s.path(folder), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, filepath.Base(path))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	s.must(err)
	slices.Sort(found)
	return found
}

// eventually waits until the files below a folder are those.
func (s *site) eventually(folder string, want ...string) {
	s.t.Helper()
	slices.Sort(want)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		have := s.files(folder)
		if slices.Equal(have, want) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s has %q, want %q; all: %q; trouble: %v", folder, have, want, s.files("."), s.in.Flowing(s.t.Context()))
		}
	}
}

// submitted are the requests in storage, by the name of their file.
func (s *site) submitted() map[string][]execution.Request {
	s.t.Helper()
	all := map[string][]execution.Request{}
	for info, err := range s.objects.List(s.t.Context(), intake.Root) {
		s.must(err)
		mailbox, id, isRequest, ok := intake.Parse(info.Key)
		if !ok || !isRequest {
			continue
		}
		r, err := intake.Request(s.t.Context(), s.objects, mailbox, id)
		s.must(err)
		all[r.Inputs[0].Filename] = append(all[r.Inputs[0].Filename], r)
	}
	return all
}

type watched struct {
	mu                  sync.Mutex
	submitted, rejected int
	waiting             map[string]int
}

func (w *watched) FileSubmitted(string) { w.mu.Lock(); w.submitted++; w.mu.Unlock() }
func (w *watched) FileRejected(string)  { w.mu.Lock(); w.rejected++; w.mu.Unlock() }
func (w *watched) FilesWaiting(mailbox string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = map[string]int{}
	}
	w.waiting[mailbox] = n
}

func (w *watched) all() (submitted, rejected, waiting int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.waiting {
		waiting += n
	}
	return w.submitted, w.rejected, waiting
}

// told waits until the watcher knows of so many, and of none that waits.
func (s *site) told(submitted, rejected int) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		n, r, waiting := s.watched.all()
		if n == submitted && r == rejected && waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("told of %d submitted, %d rejected, %d waiting", n, r, waiting)
		}
	}
}

func TestFilesAreSubmitted(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ventas", "compras")
	s.write("ventas/before.csv", "id\n1\n")
	s.run()
	s.write("ventas/Ñandú de hoy.csv", "id\n2\n")
	s.write("compras/a.csv", "id\n3\n")
	s.write("compras/empty.csv", "")
	s.eventually("ventas/processed", "before.csv", "Ñandú de hoy.csv")
	s.eventually("compras/processed", "a.csv", "empty.csv")
	all := s.submitted()
	for name, mailbox := range map[string]string{"before.csv": "ventas", "Ñandú de hoy.csv": "ventas", "a.csv": "compras", "empty.csv": "compras"} {
		if len(all[name]) != 1 || all[name][0].Mailbox != mailbox || all[name][0].Method != "inbox" || all[name][0].Config.Text != config {
			t.Fatalf("%s: %+v", name, all[name])
		}
		if id := all[name][0].ID; !slices.Contains(s.files(mailbox+"/processed/"+id), name) {
			t.Errorf("%s is not under %s", name, id)
		}
	}
	s.eventually("ventas/processing")
	s.eventually(".claims/ventas") // nothing is kept of what ended
	s.told(4, 0)
	if err := s.in.Flowing(t.Context()); err != nil {
		t.Error(err)
	}
}

// A folder that comes later is a mailbox's, too.
func TestFoldersMayComeAndGo(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ventas")
	s.run()
	s.write("compras.yaml", config)
	s.mkdir("compras")
	s.write("compras/a.csv", "id\n")
	s.eventually("compras/processed", "a.csv")
	s.must(os.RemoveAll(s.path("compras")))
	s.mkdir("No.Mailbox")
	s.write("No.Mailbox/a.csv", "id\n")
	s.write("ventas/b.csv", "id\n")
	s.eventually("ventas/processed", "b.csv")
	s.eventually("No.Mailbox", "a.csv")
}

func TestIncompleteFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ventas")
	s.cfg.Settle = 300 * time.Millisecond
	passing := []string{".hidden.csv", "a.csv.part", "b.TMP", "c.filepart", "d.csv~", "e.crdownload"}
	for _, name := range passing {
		s.write("ventas/"+name, "id\n")
	}
	s.mkdir("ventas/folder")
	s.write("ventas/folder/inside.csv", "id\n")
	s.run()
	// One that grows is taken with all it has in the end.
	grows, err := os.Create(s.path("ventas/grows.csv"))
	s.must(err)
	for range 30 {
		_, err := grows.WriteString(strings.Repeat("x", 10))
		s.must(err)
		time.Sleep(20 * time.Millisecond)
	}
	s.must(grows.Close())
	s.must(os.Rename(s.path("ventas/a.csv.part"), s.path("ventas/a.csv")))
	s.eventually("ventas/processed", "a.csv", "grows.csv")
	all := s.submitted()
	if r := all["grows.csv"]; len(r) != 1 || *r[0].Inputs[0].Size != 300 {
		t.Errorf("%+v", r)
	}
	s.eventually("ventas", append([]string{"a.csv", "grows.csv", "inside.csv"}, slices.DeleteFunc(passing, func(n string) bool { return n == "a.csv.part" })...)...)
}

func TestWhatCanNotBeSubmittedIsRejected(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ventas")
	secret := filepath.Join(t.TempDir(), "secret.csv")
	s.must(os.WriteFile(secret, []byte("id\nsecret\n"), 0o600))
	s.must(os.Symlink(secret, s.path("ventas/link.csv")))
	s.must(os.Symlink("../compras.yaml", s.path("ventas/up.csv")))
	s.must(syscall.Mkfifo(s.path("ventas/pipe.csv"), 0o600))
	s.write("ventas/large.csv", strings.Repeat("x", 1001))
	s.write("ventas/line\nbreak.csv", "id\n")
	s.write("ventas/good.csv", "id\n")
	s.run()
	s.eventually("ventas/processed", "good.csv")
	bad := map[string]string{"link.csv": "symbolic link", "up.csv": "symbolic link", "pipe.csv": "something other than a file",
		"large.csv": "1001 bytes", "line\nbreak.csv": ""}
	var want []string
	for name := range bad {
		want = append(want, name, name+".reason.txt")
	}
	// The pipe and the links are there as what they are.
	s.eventually("ventas/rejected", want...)
	for name, says := range bad {
		paths, err := filepath.Glob(s.path("ventas/rejected/*/" + name + ".reason.txt"))
		s.must(err)
		if len(paths) != 1 {
			t.Fatalf("%s: %q", name, paths)
		}
		text, err := os.ReadFile(paths[0])
		s.must(err)
		if !strings.Contains(string(text), says) || !strings.Contains(string(text), "code: ") || !strings.HasPrefix(string(text), name+" was not accepted") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if n := len(s.submitted()); n != 1 {
		t.Errorf("%d requests", n)
	}
	s.told(1, len(bad))
}

// Where the system tells no changes, folders are looked through.
func TestPolling(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ventas")
	s.cfg.Every = 100 * time.Millisecond
	s.opts = []inbox.Option{inbox.Deaf}
	s.run()
	s.write("ventas/a.csv", "id\n")
	s.eventually("ventas/processed", "a.csv")
	s.write("ventas/b.csv", "id\n")
	s.eventually("ventas/processed", "a.csv", "b.csv")
}

// Who may put files into a folder can't have others written to, or choose how they are checked.
func TestFoldersCanNotBeTurnedAgainstUs(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ventas", "compras")
	outside := t.TempDir()
	s.must(os.Symlink(outside, s.path("ventas/processing")))
	s.write("ventas/a.csv", "id\n")
	// A claim that is none.
	s.must(os.MkdirAll(s.path("compras/processing/e1"), 0o750))
	s.write("compras/processing/e1/.input.yaml", config)
	s.write("compras/processing/e1/b.csv", "id\n")
	s.run()
	s.write("compras/c.csv", "id\n")
	s.eventually("compras/processed", "c.csv")
	for deadline := time.Now().Add(20 * time.Second); s.in.Flowing(t.Context()) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no trouble")
		}
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("outside has %v", left)
	}
	s.eventually("ventas", "a.csv", "processing")
	s.eventually("compras/processing", ".input.yaml", "b.csv")
	if all := s.submitted(); len(all) != 1 {
		t.Errorf("submitted %v", all)
	}
}

func TestConfigurations(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	kept := configurations.New(s.objects)
	_, _, _, err := kept.Put(t.Context(), "ventas", "diaria", []byte(config), "ana", "")
	s.must(err)
	newer := strings.Replace(config, "name: n", "name: newer", 1)
	_, _, _, err = kept.Put(t.Context(), "ventas", "diaria", []byte(newer), "ana", "")
	s.must(err)
	for mailbox, name := range map[string]string{"ventas": "diaria@1\n", "compras": "", "pedidos": "nothing", "ambos": "diaria"} {
		s.mkdir(mailbox)
		s.write(mailbox+"/a.csv", "id\n"+mailbox)
		if name != "" {
			s.write(mailbox+".configuration", name)
		}
	}
	s.write("ambos.yaml", config)
	s.mkdir("malas")
	s.write("malas.yaml", "catalogs: 3")
	s.write("malas/a.csv", "id\n")
	s.run()
	s.eventually("ventas/processed", "a.csv")
	if r := s.submitted()["a.csv"]; len(r) != 1 || r[0].Config.Text != config {
		t.Errorf("%+v", r)
	}
	// What is put right goes on by itself.
	s.write("compras.yaml", config)
	s.must(os.Remove(s.path("ambos.yaml")))
	_, _, _, err = kept.Put(t.Context(), "ambos", "diaria", []byte(newer), "ana", "")
	s.must(err)
	s.write("malas.yaml", config)
	for _, m := range []string{"compras", "ambos", "malas"} {
		s.eventually(m+"/processed", "a.csv")
	}
	s.eventually("pedidos", "a.csv")
	if err := s.in.Flowing(t.Context()); err != nil {
		t.Errorf("one mailbox that isn't set up is told of as %v", err)
	}
}

// flaky fails while it is told to.
type flaky struct {
	inbox.Submitter
	mu   sync.Mutex
	fail map[string]error // by mailbox
	n    int
}

func (f *flaky) set(mailbox string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = map[string]error{mailbox: err}
}

func (f *flaky) submissions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

func (f *flaky) Submit(ctx context.Context, s producer.Submission) (execution.Request, error) {
	f.mu.Lock()
	f.n++
	err := f.fail[s.Mailbox]
	f.mu.Unlock()
	if err != nil {
		return execution.Request{}, err
	}
	return f.Submitter.Submit(ctx, s)
}

// While a mailbox's files can't be submitted they wait, those of others go on, and it
// is not tried with more than one at a time.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ventas", "compras")
	f := &flaky{Submitter: s.submit}
	f.set("ventas", fault.New("STORAGE_FULL", "no space is left"))
	s.submit = f
	var names []string
	for i := range 20 {
		names = append(names, fmt.Sprintf("f%02d.csv", i))
		s.write("ventas/"+names[i], fmt.Sprint(i))
	}
	s.run()
	for deadline := time.Now().Add(20 * time.Second); s.in.Flowing(t.Context()) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no trouble")
		}
	}
	s.write("compras/a.csv", "id\n")
	s.eventually("compras/processed", "a.csv")
	if claimed := len(s.files("ventas/processing")); claimed < 1 || claimed > s.cfg.Submits {
		t.Errorf("%d files are claimed", claimed)
	}
	s.eventually("ventas/processed")
	f.set("", nil)
	s.eventually("ventas/processed", names...)
	if err := s.in.Flowing(t.Context()); err != nil {
		t.Error(err)
	}
}

// A claim that is found is submitted as it was claimed, whatever the configuration is now.
func TestClaimsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ventas")
	accepted := s.submit
	for i, submitter := range map[string]inbox.Submitter{
		"nothing was stored":  &flaky{Submitter: accepted, fail: map[string]error{"ventas": errors.New("away")}},
		"it was accepted too": amnesiac{accepted},
	} {
		s.submit = submitter
		s.write("ventas.yaml", config)
		s.write("ventas/"+i, "id\n")
		stop := s.run()
		s.eventually("ventas/processing", i)
		for deadline := time.Now().Add(20 * time.Second); s.in.Flowing(t.Context()) == nil; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no trouble")
			}
		}
		stop()
		s.write("ventas.yaml", strings.Replace(config, "name: n", "name: other", 1))
		s.submit = accepted
		stop = s.run()
		for deadline := time.Now().Add(20 * time.Second); len(s.files("ventas/processing")) > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it stays claimed")
			}
		}
		stop()
		if r := s.submitted()[i]; len(r) != 1 || r[0].Config.Text != config || !slices.Contains(s.files("ventas/processed/"+r[0].ID), i) {
			t.Errorf("%s: %+v", i, r)
		}
	}
	if bad := s.files("ventas/rejected"); len(bad) > 0 {
		t.Errorf("rejected %v", bad)
	}
}

// amnesiac submits, and says that it failed.
type amnesiac struct{ inbox.Submitter }

func (a amnesiac) Submit(ctx context.Context, s producer.Submission) (execution.Request, error) {
	r, err := a.Submitter.Submit(ctx, s)
	return r, errors.Join(err, errors.New("the answer was lost"))
}

func TestASecondWatcherWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t, "ventas")
	first := s.run()
	s.write("ventas/a.csv", "id\n")
	s.eventually("ventas/processed", "a.csv")
	blocked := &flaky{Submitter: s.submit}
	s.submit = blocked
	second := s.run()
	s.write("ventas/b.csv", "id\n")
	s.eventually("ventas/processed", "a.csv", "b.csv")
	if blocked.submissions() > 0 {
		t.Error("two watch at once")
	}
	first()
	s.write("ventas/c.csv", "id\n")
	s.eventually("ventas/processed", "a.csv", "b.csv", "c.csv")
	if n := blocked.submissions(); n != 1 {
		t.Errorf("the second has submitted %d", n)
	}
	second()
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := quick.Validate(); err != nil {
		t.Fatal(err)
	}
	for variable, change := range map[string]func(*inbox.Config){
		"INBOX_SETTLE":         func(c *inbox.Config) { c.Settle = 0 },
		"INBOX_EVERY":          func(c *inbox.Config) { c.Every = 0 },
		"INBOX_SUBMITS":        func(c *inbox.Config) { c.Submits = 0 },
		"INBOX_MAX_FILE_BYTES": func(c *inbox.Config) { c.MaxFileBytes = 0 },
		"INBOX_RETRY_CAP":      func(c *inbox.Config) { c.RetryCap = 0 },
	} {
		c := quick
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s: %v", variable, err)
		}
	}
}
