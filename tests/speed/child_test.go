// Package speed measures the worker's real binary as a whole process: how long it
// takes, what it costs and how much memory it holds, beside other programs that
// do the same work in the same run.
package speed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/tests/turn"
)

const (
	root       = "../.." // of the module
	speedYAML  = root + "/worker/engine/testdata/speed.yaml"
	threads    = 2 // of every program that is measured
	exitErrors = 1 // of a run that found errors in the data
)

// usage is what one process took.
type usage struct {
	wall, cpu time.Duration
	memory    int64 // bytes resident, at the peak
}

// measure runs a program to its end, which may be any of its exit codes, and
// returns what it printed.
func measure(tb testing.TB, name string, args ...string) (usage, []byte) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), name, args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", threads), fmt.Sprintf("OMP_NUM_THREADS=%d", threads))
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if code := cmd.ProcessState.ExitCode(); err != nil && code != exitErrors || problem.Len() > 0 {
		tb.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, &problem, &out)
	}
	state := cmd.ProcessState
	return usage{wall, state.UserTime() + state.SystemTime(), process.PeakOf(state)}, out.Bytes()
}

// binaries holds what is built once for all tests.
var binaries struct {
	once   sync.Once
	dir    string
	worker string
	err    error
}

// workerBinary builds the worker.
func workerBinary(tb testing.TB) string {
	tb.Helper()
	b := &binaries
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "sage-speed-"); b.err != nil {
			return
		}
		b.worker = filepath.Join(b.dir, "worker")
		b.err = build(root, b.worker, "./worker/cmd/worker")
	})
	if b.err != nil {
		tb.Fatal(b.err)
	}
	return b.worker
}

func build(dir, out, pkg string) error {
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, said)
	}
	return nil
}

func TestMain(m *testing.M) {
	done := turn.Busy()
	code := m.Run()
	done()
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir) // a leftover in the temporary folder harms nobody
	}
	results.print(os.Stdout)
	os.Exit(code)
}

// counts is what a run found, as `worker run --json` and the peers print it.
type counts struct {
	Records int `json:"records"`
	Errors  int `json:"errors"`
}

// run puts a file through `worker run` and holds it to what it has to find.
func run(tb testing.TB, config, data string, want counts) usage {
	tb.Helper()
	out := tb.TempDir()
	used, said := measure(tb, workerBinary(tb), "run", config, data, "--out", out, "--json")
	expect(tb, said, want)
	if err := os.RemoveAll(out); err != nil { // it holds a copy of the data
		tb.Fatal(err)
	}
	return used
}

func expect(tb testing.TB, said []byte, want counts) {
	tb.Helper()
	var got counts
	if err := json.Unmarshal(said, &got); err != nil || got != want {
		tb.Fatalf("%q, %v, want %+v", said, err, want)
	}
}

// create writes a file into the test's folder.
func create(tb testing.TB, name string, write func(io.Writer) error) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	if err := write(file); err != nil {
		tb.Fatal(err)
	}
	if err := file.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}

// workload writes the published workload, and returns what there is to find.
func workload(tb testing.TB, rows int) (path string, want counts) {
	tb.Helper()
	o := newOrders()
	path = create(tb, "pedidos.csv", func(w io.Writer) error { return o.writeCSV(w, rows) })
	return path, counts{rows, o.bad}
}

// withoutUnique is the configuration of the workload without the one check that
// has to remember every row.
func withoutUnique(tb testing.TB) string {
	tb.Helper()
	return changed(tb, ", unique: true", "")
}

// changed is the configuration of the workload with another text in some places.
func changed(tb testing.TB, from, to string) string {
	tb.Helper()
	text, err := os.ReadFile(speedYAML)
	if err != nil {
		tb.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		tb.Fatalf("speed.yaml doesn't have %q", from)
	}
	return create(tb, "speed.yaml", func(w io.Writer) error {
		_, err := io.WriteString(w, strings.ReplaceAll(string(text), from, to))
		return err
	})
}
