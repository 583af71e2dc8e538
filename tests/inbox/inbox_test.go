// Package inbox kills `sage watch` over and over while files arrive, and counts what was
// submitted.
package inbox

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

var (
	files = flag.Int("files", 400, "how many files are put into folders")
	kills = flag.Int("kills", 20, "how often the process is killed meanwhile")
	seed  = flag.Uint64("seed", 1, "of what is up to chance")
)

var binaries string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	flag.Parse()
	process.IsolateAWS()
	dir, err := os.MkdirTemp("", "sage-inbox-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binaries = dir
	if err := process.Build(dir, "failpoints", "./producer/cmd/sage", "github.com/nats-io/nats-server/v2"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

const config = "sage_yaml: {name: n, description: d, version: '1', author: a}\n" +
	"catalogs: {c: {name: c, description: d, filename: data.csv, file_format: {type: CSV, delimiter: ',', header: true},\n" +
	"  fields: [{name: id, type: texto}]}}\npackages: {}\n"

// patience is for a machine that has other things to do.
const patience = 5 * time.Minute

var mailboxes = []string{"ventas", "compras", "archivo"}

// inbox is a directory, and where its files go.
type inbox struct {
	testing.TB
	dir, store string
	url        string // of NATS
}

func newInbox(t testing.TB, url string) *inbox {
	t.Helper()
	in := &inbox{t, t.TempDir(), t.TempDir(), url}
	for _, m := range mailboxes {
		in.must(os.Mkdir(filepath.Join(in.dir, m), 0o750))
		in.must(os.WriteFile(filepath.Join(in.dir, m+".yaml"), []byte(config), 0o600))
	}
	return in
}

func (in *inbox) must(err error) {
	in.Helper()
	if err != nil {
		in.Fatal(err)
	}
}

// watch starts `sage watch`.
func (in *inbox) watch(more ...string) *process.Process {
	in.Helper()
	vars := map[string]string{"NATS_URL": in.url, "STORAGE_URL": "file://" + filepath.ToSlash(in.store), "INBOX_SETTLE": "60ms",
		"INBOX_RETRY_CAP": "1s"}
	for i := 0; i < len(more); i += 2 {
		vars[more[i]] = more[i+1]
	}
	return process.Start(in, filepath.Join(binaries, "sage"), vars, "watch", in.dir)
}

// mailboxOf deals files out.
func mailboxOf(n int) string { return mailboxes[n%len(mailboxes)] }

func nameOf(n int) string { return fmt.Sprintf("f%05d.csv", n) }

func contentOf(n int) string {
	return fmt.Sprintf("id\n%d\n", n) + strings.Repeat("line\n", n%50) + "end\n"
}

// put writes file n as programs do: at once, bit by bit, or under another name first. Every
// seventh is besides begun another time, and never finished.
func (in *inbox) put(n int) {
	path, text := filepath.Join(in.dir, mailboxOf(n), nameOf(n)), contentOf(n)
	write := func(path, text string) { in.must(os.WriteFile(path, []byte(text), 0o600)) }
	switch n % 3 {
	case 0:
		write(path, text)
	case 1:
		f, err := os.Create(path)
		in.must(err)
		for _, part := range []string{text[:3], text[3:]} {
			_, err := f.WriteString(part)
			in.must(err)
			time.Sleep(time.Millisecond)
		}
		in.must(f.Close())
	default:
		write(path+".part", text)
		in.must(os.Rename(path+".part", path))
	}
	if n%7 == 0 {
		write(filepath.Join(in.dir, mailboxOf(n), "never-"+nameOf(n)+".part"), text[:3])
	}
}

// left lists the regular files of mailboxes below a folder, by name, with the folders they
// lie in.
func (in *inbox) left(folder string) map[string][]string {
	in.Helper()
	all := map[string][]string{}
	for _, m := range mailboxes {
		paths, err := filepath.Glob(filepath.Join(in.dir, m, folder))
		in.must(err)
		for _, p := range paths {
			if info, err := os.Lstat(p); err == nil && info.Mode().IsRegular() {
				all[filepath.Base(p)] = append(all[filepath.Base(p)], filepath.Base(filepath.Dir(p)))
			}
		}
	}
	return all
}

// requests are what was submitted, by the name of the file.
func (in *inbox) requests() map[string][]execution.Request {
	in.Helper()
	objects, err := storage.Open(in.Context(), "file://"+filepath.ToSlash(in.store))
	in.must(err)
	all := map[string][]execution.Request{}
	for info, err := range objects.List(in.Context(), intake.Root) {
		in.must(err)
		if mailbox, id, isRequest, ok := intake.Parse(info.Key); ok && isRequest {
			r, err := intake.Request(in.Context(), objects, mailbox, id)
			in.must(err)
			all[r.Inputs[0].Filename] = append(all[r.Inputs[0].Filename], r)
		}
	}
	return all
}

// points are where the process is killed besides at any time.
var points = []failpoint.Point{failpoint.InboxPinned, failpoint.InboxClaimed, failpoint.InboxSubmitted,
	failpoint.InputsStored, failpoint.RequestStored, failpoint.Published}

// TestEveryFileOnce: files arrive while the process is killed, and each is submitted
// once, complete.
func TestEveryFileOnce(t *testing.T) {
	process.DependOnSources(t)
	s := bustest.Run(t)
	js := s.Connect(t, "test")
	if err := bus.Provision(t.Context(), js, s.Config); err != nil {
		t.Fatal(err)
	}
	in := newInbox(t, s.Config.URL)
	chance := rand.New(rand.NewPCG(*seed, 0))
	next, wentOn := 0, 0
	for kill := range *kills {
		var arm []string
		point := points[kill%len(points)]
		if kill%2 == 0 {
			arm = []string{"SAGE_FAILPOINT", fmt.Sprintf("%s:%d=kill", point, 1+chance.IntN(5))}
		}
		p := in.watch(arm...)
		for until := (kill + 1) * *files / *kills; next < until; next++ {
			in.put(next)
		}
		process.Eventually(t, patience, "the watch starts", func() bool { return len(p.Logged("watch starts")) > 0 || !p.Running() })
		if arm == nil {
			time.Sleep(time.Duration(chance.IntN(250)) * time.Millisecond)
			p.Send(os.Kill)
		}
		if code := p.Exit(t, patience); code != -1 {
			t.Fatalf("it ended by itself: exit code %d", code)
		}
		wentOn += len(p.Logged("going on with claimed files"))
	}
	p := in.watch()
	process.Eventually(t, patience, "all files are processed", func() bool {
		return len(in.left("f*.csv")) == 0 && len(in.left("processing/*/*")) == 0 && len(in.left("processed/*/*")) == *files
	})
	p.Stop(t)
	in.check(js)
	if wentOn == 0 {
		t.Error("no process found what another had claimed: nothing was interrupted")
	}
	t.Logf("%d files, %d kills, claims gone on with in %d mailboxes", *files, *kills, wentOn)
}

// check counts.
func (in *inbox) check(js jetstream.JetStream) {
	in.Helper()
	processed, requests, never := in.left("processed/*/*"), in.requests(), 0
	for n := range *files {
		name := nameOf(n)
		r, ids := requests[name], processed[name]
		if len(r) != 1 || len(ids) != 1 || r[0].ID != ids[0] || r[0].Mailbox != mailboxOf(n) {
			in.Errorf("%s: submitted as %+v, and lies under %q", name, r, ids)
			continue
		}
		if size := *r[0].Inputs[0].Size; size != int64(len(contentOf(n))) {
			in.Errorf("%s has %d bytes, of which %d were submitted", name, len(contentOf(n)), size)
		}
		if n%7 == 0 {
			never++
		}
	}
	if len(requests) != *files {
		in.Errorf("%d files were submitted, of %d", len(requests), *files)
	}
	if bad := in.left("rejected/*/*"); len(bad) > 0 {
		in.Errorf("rejected: %v", bad)
	}
	if left := in.left("*.part"); len(left) != never {
		in.Errorf("%d files are left that were never finished, of %d", len(left), never)
	}
	if pins, _ := filepath.Glob(filepath.Join(in.dir, ".claims", "*", "*")); len(pins) > 0 {
		in.Errorf("%d claims are left: %q", len(pins), pins[0])
	}
	stream, err := js.Stream(in.Context(), bus.StreamExecutions)
	in.must(err)
	info, err := stream.Info(in.Context(), jetstream.WithSubjectFilter(bus.ExecFilter))
	in.must(err)
	if n := len(info.State.Subjects); n != *files {
		in.Errorf("%d executions are on the queue, of %d files", n, *files)
	}
	in.Logf("%d messages for %d executions", info.State.Msgs, len(info.State.Subjects))
}

// TestWhileNobodyAnswers: without NATS files stay where they are, and it says so.
func TestWhileNobodyAnswers(t *testing.T) {
	process.DependOnSources(t)
	streams := t.TempDir()
	server := process.StartServer(t, binaries, streams, process.AnyPort)
	cfg := bus.Config{URL: server.URL, Durability: bus.Fast, Replicas: 1, AckWait: 2 * time.Second, MaxAckPending: 1000, QueueMaxBytes: -1}
	_, js := server.Connect(t, cfg)
	if err := bus.Provision(t.Context(), js, cfg); err != nil {
		t.Fatal(err)
	}
	in := newInbox(t, server.URL)
	p := in.watch("METRICS_LISTEN", "127.0.0.1:0")
	look := func(path string) (int, string) { return get(t, p, path) }
	in.put(1)
	process.Eventually(t, patience, "a file is processed", func() bool { return len(in.left("processed/*/*")) == 1 })
	process.Eventually(t, patience, "it is ready", func() bool { code, _ := look("/readyz"); return code == 200 })

	server.Stop(t)
	for n := range 20 {
		in.put(2 + n)
	}
	process.Eventually(t, patience, "it says that files wait", func() bool {
		code, text := look("/readyz")
		return code == 503 && strings.Contains(text, "inbox    mailbox")
	})
	if done := len(in.left("processed/*/*")); done != 1 {
		t.Errorf("%d files are processed without NATS", done)
	}
	port := slices.Collect(strings.SplitSeq(server.URL, ":"))
	var number int
	if _, err := fmt.Sscan(port[len(port)-1], &number); err != nil {
		t.Fatal(err)
	}
	process.StartServer(t, binaries, streams, number)
	process.Eventually(t, patience, "all files are processed", func() bool { return len(in.left("processed/*/*")) == 21 })
	process.Eventually(t, patience, "it is ready again", func() bool { code, _ := look("/readyz"); return code == 200 })
	for _, m := range []string{`sage_inbox_files_total{end="submitted",mailbox="compras"} 7`, `sage_inbox_waiting_files{mailbox="ventas"} 0`} {
		process.Eventually(t, patience, "metrics say "+m, func() bool {
			_, metrics := look("/metrics")
			return strings.Contains(metrics, m)
		})
	}
	p.Stop(t)
}
