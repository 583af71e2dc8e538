package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestMain keeps the developer's own fleet out of the tests.
func TestMain(m *testing.M) {
	flag.Parse()
	for _, name := range []string{"NATS_URL", "STORAGE_URL", "SAGE_MAILBOX", "COLUMNS"} {
		_ = os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

// testFleet is a server, a store, and how to reach them.
type testFleet struct {
	server  bustest.Server
	js      jetstream.JetStream
	objects storage.Store
}

func newFleet(t *testing.T) testFleet {
	t.Helper()
	f := testFleet{server: bustest.Run(t)}
	f.js = f.server.Connect(t, "test")
	if err := bus.Provision(t.Context(), f.js, f.server.Config); err != nil {
		t.Fatal(err)
	}
	var err error
	if f.objects, err = storage.Open(t.Context(), "file://"+filepath.ToSlash(t.TempDir())); err != nil {
		t.Fatal(err)
	}
	return f
}

// result is what a command left.
type result struct {
	args           []string
	code           int
	stdout, stderr string
}

func sage(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, strings.NewReader(""), &stdout, &stderr)
	return result{args, code, stdout.String(), stderr.String()}
}

// sage runs a command against the fleet and requires an exit code.
func (f testFleet) sage(t *testing.T, want int, args ...string) result {
	t.Helper()
	r := sage(t.Context(), append(args, "--nats", f.server.Config.URL, "--storage", f.objects.URL())...)
	r.args = args
	if r.code != want {
		t.Errorf("sage %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, want, r.stdout, r.stderr)
	}
	return r
}

// work runs a worker until the test ends. What becomes of an execution is in the
// name of its first file.
func (f testFleet) work(t *testing.T) {
	t.Helper()
	outcomes := outcome.New(f.objects)
	g, err := guard.Open(t.Context(), f.js, f.server.Config, outcomes, executes(outcomes),
		guard.Identity{Executor: execution.OnWorker, Host: "host-1"}, guard.Config{MaxAttempts: 3, MaxCrashes: 3, StateTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	consumer := queue.NewWorker(f.js, f.server.Config.AckWait, queue.Slots{Fleet: 2, Local: 1}, queue.Config{Drain: time.Second, BackoffBase: 10 * time.Millisecond, BackoffCap: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- consumer.Run(ctx, g) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

const bulkySize = outcome.InlineLimit + 1 // so that one result lies beside its OUTCOME

// executes makes results without looking at the data.
func executes(outcomes *outcome.Store) execution.ExecutorFunc {
	var flaky atomic.Int32
	return func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		in := a.Request.Inputs[0]
		o := execution.Outcome{
			Key: a.Request.Key(), Kind: execution.Succeeded, Attempt: execution.NewAttemptID(a.Token), Number: a.Number,
			Executor: execution.OnWorker, Host: "host-1", RequestDigest: a.Request.Digest(), Enqueued: a.Enqueued,
			Started: time.Now().UTC(), Finished: time.Now().UTC(), Summary: &execution.Summary{Status: "Éxito", Records: 3},
		}
		switch in.Filename {
		case "dirty.csv":
			o.Summary = &execution.Summary{Status: "Parcial", Records: 3, Errors: 2, Warnings: 1}
		case "broken.csv":
			return o, fault.New("CSV_QUOTE", "a quote is never closed").At("broken.csv", 2, 7).
				Expecting("a closing quote").Advise("correct the file and submit it again").Permanent()
		case "flaky.csv":
			if flaky.Add(1) == 1 {
				return o, fault.New("STORAGE_UNAVAILABLE", "the store is away").Advise("try again")
			}
		case "slow.csv":
			<-ctx.Done()
			return o, ctx.Err()
		}
		for _, in := range a.Request.Inputs {
			o.Inputs = append(o.Inputs, execution.File{Name: in.Filename, Size: *in.Size, SHA256: in.SHA256, Source: in.URI})
		}
		return outcomes.Commit(ctx, o, []outcome.Data{
			{Name: "input.yaml", Bytes: []byte(a.Request.Config.Text)},
			{Name: "report.json", Bytes: []byte(`{"ok":true}`)},
			{Name: "bulky.log", Bytes: bytes.Repeat([]byte("x"), bulkySize)},
		})
	}
}

const csvData = "id\n1\n2\n"

// file writes a file of that name into a folder of the test and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const goodConfig = "testdata/good.yaml"

// normal replaces what differs from run to run.
var normal = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+`), "TIME"},
	{regexp.MustCompile(`202\d-\d\d-\d\dT[0-9:.]+Z`), "TIME"},
	{regexp.MustCompile(`(?m)^(waited|ran|waiting|running)( +)(for )?[0-9.hmµs]+$`), "$1$2${3}DURATION"},
	{regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d{3}`), "HH:MM:SS.mmm"},
	{regexp.MustCompile(`(?m)^(events +)[12]$`), "${1}N"}, // a start is told if it took a while
	{regexp.MustCompile(`[0-9.hmµs]+ (after it was accepted|on a (worker|Lambda)\b)`), "DURATION $1"},
	{regexp.MustCompile(`(/[^/\s]+)+/Test[^/\s]+/\d+`), "TMP"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "SERVER"},
}

// compare checks what commands printed, as a person would see it, against a golden
// file.
func compare(t *testing.T, golden string, results ...result) {
	t.Helper()
	var b strings.Builder
	for i, r := range results {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "$ sage %s\n%s", strings.Join(r.args, " "), r.stdout)
		if r.stderr != "" {
			fmt.Fprintf(&b, "--- standard error\n%s", r.stderr)
		}
		fmt.Fprintf(&b, "--- exit code %d\n", r.code)
	}
	got := b.String()
	for _, n := range normal {
		got = n.pattern.ReplaceAllString(got, n.by)
	}
	path := filepath.Join("testdata", golden)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update rewrites it)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
