// Package coldstart holds the Lambda to what a cold start can afford: the size of its
// binary, what is linked into it, how soon it asks for work, and its memory then.
package coldstart

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/deploy/bundle"
	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/tests/turn"
)

var update = flag.Bool("update", false, "record the figures of this build")

// Budgets that no recorded figure may exceed. The binary's is arm64's; others are a
// tenth larger.
const (
	maxStart = 15 * time.Millisecond
	maxRSS   = 20e6
)

// growth is how much larger than recorded a figure may be.
const growth = 1.2

// figures are those of one architecture.
type figures struct {
	Binary int64   `json:"binary_bytes"`
	RSS    int64   `json:"rss_bytes"`
	Start  float64 `json:"start_ratio"` // to a program that does nothing but ask for work
}

const (
	recorded         = "testdata/figures.json"
	variableBaseline = "COLDSTART_BASELINE"
)

func TestMain(m *testing.M) {
	if os.Getenv(variableBaseline) != "" { // the program that does nothing else
		response, err := http.Get("http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/next")
		if err == nil {
			_ = response.Body.Close()
		}
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	defer turn.Alone()()
	return m.Run()
}

// build builds the Lambda as it is deployed, but for this machine, so that what other
// tests compiled needn't be compiled again.
func build(t *testing.T) string {
	t.Helper()
	process.DependOnSources(t)
	out := filepath.Join(t.TempDir(), "lambda")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", out, "./worker/cmd/lambda")
	cmd.Dir = "../.."
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	return out
}

func TestColdStart(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux, where the Lambda runs")
	}
	binary := build(t)
	data, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	checkLinked(t, data)

	all := map[string]figures{}
	text, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	want, known := all[runtime.GOARCH]
	got, took := measure(t, binary, want)
	got.Binary = int64(len(data))
	t.Logf("%s: %d bytes, asks for work after %v, %.2f times a program that does nothing else, %d bytes resident",
		runtime.GOARCH, got.Binary, took, got.Start, got.RSS)
	if *update {
		record(t, all, got)
		return
	}
	if got.Binary > bundle.MaxBinary*11/10 || got.RSS > maxRSS {
		t.Errorf("%d bytes of binary and %d of memory, at most %d and %.0f", got.Binary, got.RSS, bundle.MaxBinary*11/10, maxRSS)
	}
	if !known {
		t.Logf("nothing is recorded for %s", runtime.GOARCH)
		return
	}
	for name, v := range map[string][2]float64{
		"binary": {float64(got.Binary), float64(want.Binary)},
		"memory": {float64(got.RSS), float64(want.RSS)},
		"start":  {got.Start, want.Start},
	} {
		if v[0] > growth*v[1] {
			t.Errorf("%s grew from %.4g to %.4g; if that is meant, record it with -update", name, v[1], v[0])
		}
	}
}

// checkLinked looks for functions by name: those stay in a stripped binary.
func checkLinked(t *testing.T, binary []byte) {
	t.Helper()
	if !bytes.Contains(binary, []byte("encoding/json.(*Decoder)")) {
		t.Fatal("function names are not found in this binary")
	}
	for _, refused := range []string{"html/template.(", "text/template.(", "net/rpc.("} {
		if bytes.Contains(binary, []byte(refused)) {
			t.Errorf("%s…) is linked: it costs a third of the binary", refused)
		}
	}
}

// measure starts the Lambda and the program that does nothing else by turns, and takes
// the best of each: what else runs on the machine can only make it worse. It stops as
// soon as the figure is as good as wanted.
func measure(t *testing.T, binary string, want figures) (figures, time.Duration) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	store := t.TempDir()
	var got figures
	best, baseline := time.Hour, time.Hour
	for round := range 40 {
		s, err := bundle.Measure(t.Context(), binary, "STORAGE_URL=file://"+store, "TMPDIR="+store)
		if err != nil {
			t.Fatal(err)
		}
		nothing, err := bundle.Measure(t.Context(), self, variableBaseline+"=1")
		if err != nil {
			t.Fatal(err)
		}
		best, baseline = min(best, s.Took), min(baseline, nothing.Took)
		if got.RSS == 0 || s.RSS < got.RSS {
			got.RSS = s.RSS
		}
		got.Start = float64(best) / float64(baseline)
		if round >= 10 && best <= maxStart && got.Start <= growth*want.Start {
			break
		}
	}
	if best > maxStart {
		t.Errorf("asks for work after %v at best, at most %v", best, maxStart)
	}
	return got, best
}

func record(t *testing.T, all map[string]figures, got figures) {
	t.Helper()
	all[runtime.GOARCH] = got
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recorded, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
