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
	"slices"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/deploy/bundle"
	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/tests/turn"
)

var (
	update = flag.Bool("update", false, "record the figures of this build")
	cross  = flag.String("cross", "", "judge the size of the binary for another architecture, such as arm64, too; it's compiled anew")
	median = flag.Bool("median", false, "fail when the machine is too busy to judge the median start")
)

// Budgets that no recorded figure may exceed. The binary's is arm64's; others are a
// tenth larger.
const (
	maxStart = 15 * time.Millisecond
	maxRSS   = 20e6
)

// growth is how much larger than recorded a figure may be.
const growth = 1.2

// figures are those of one architecture; of one that isn't this machine's there is the
// binary alone.
type figures struct {
	Binary int64   `json:"binary_bytes"`
	RSS    int64   `json:"rss_bytes,omitempty"`
	Start  float64 `json:"start_ratio,omitempty"` // to a program that does nothing but ask for work
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
	os.Exit(m.Run())
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

	want, known := load(t)[runtime.GOARCH]
	defer turn.Alone()()
	got := measure(t, binary, want)
	got.Binary = int64(len(data))
	t.Logf("%s: %d bytes, starts %.2f times as slowly as a program that does nothing else, %d bytes resident", runtime.GOARCH, got.Binary, got.Start, got.RSS)
	if *update {
		record(t, runtime.GOARCH, got)
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

// TestOtherBinary judges the size of the binary for another architecture, which is the one
// that is deployed as a rule.
func TestOtherBinary(t *testing.T) {
	if *cross == "" {
		return // it compiles everything once more; CI has it done where it doesn't hold up the tests
	}
	out := filepath.Join(t.TempDir(), "lambda")
	if err := bundle.Build(t.Context(), "../..", out, *cross); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	got := figures{Binary: info.Size()}
	t.Logf("%s: %d bytes", *cross, got.Binary)
	if *update {
		record(t, *cross, got)
		return
	}
	want, known := load(t)[*cross]
	if !known || got.Binary > bundle.MaxBinary || float64(got.Binary) > growth*float64(want.Binary) {
		t.Errorf("%s grew from %d to %d bytes, and may have %d; if that is meant, record it with -update", *cross, want.Binary, got.Binary, bundle.MaxBinary)
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

// A round is quiet when the program that does nothing else, before and after the Lambda,
// started no slower than calm times its best. Nothing of ours is in it, so it says how busy
// the machine is and not how slow the Lambda.
const (
	calm       = 1.3
	rounds     = 80
	enoughCalm = 21 // quiet rounds to judge a median by
)

// measure starts the Lambda and the program that does nothing else by turns. The ratio and
// the memory are of the best of each: what else runs on the machine can only make it worse.
// The median start is of the quiet rounds, where there are enough; else the best has to do.
func measure(t *testing.T, binary string, want figures) (got figures) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	store := t.TempDir()
	start := func(command string, variables ...string) bundle.Start {
		s, err := bundle.Measure(t.Context(), command, variables...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	nothing := []time.Duration{start(self, variableBaseline+"=1").Took}
	var starts, quiet []time.Duration
	for range rounds {
		s := start(binary, "STORAGE_URL=file://"+store, "TMPDIR="+store)
		starts, nothing = append(starts, s.Took), append(nothing, start(self, variableBaseline+"=1").Took)
		if got.RSS == 0 || s.RSS < got.RSS {
			got.RSS = s.RSS
		}
		got.Start = float64(slices.Min(starts)) / float64(slices.Min(nothing))
		if quiet = quietOnes(starts, nothing); len(quiet) >= enoughCalm && got.Start <= growth*want.Start {
			break
		}
	}
	t.Logf("asks for work after %v at best of %d starts, a program that does nothing else after %v", slices.Min(starts), len(starts), slices.Min(nothing))
	judged := slices.Min(starts)
	switch {
	case len(quiet) >= enoughCalm:
		slices.Sort(quiet)
		judged = quiet[len(quiet)/2]
		t.Logf("asks for work after %v, the median of %d starts on a quiet machine", judged, len(quiet))
	case *median:
		t.Errorf("%d of %d starts were on a quiet machine, too few to judge a median", len(quiet), len(starts))
	default:
		t.Logf("%d of %d starts were on a quiet machine, too few to judge a median", len(quiet), len(starts))
	}
	if judged > maxStart {
		t.Errorf("asks for work after %v, at most %v", judged, maxStart)
	}
	return got
}

// quietOnes are the starts that quiet ones of nothing stand before and after.
func quietOnes(starts, nothing []time.Duration) (quiet []time.Duration) {
	limit := time.Duration(calm * float64(slices.Min(nothing)))
	for i, took := range starts {
		if max(nothing[i], nothing[i+1]) <= limit {
			quiet = append(quiet, took)
		}
	}
	return quiet
}

// load returns the recorded figures, by architecture.
func load(t *testing.T) map[string]figures {
	t.Helper()
	all := map[string]figures{}
	text, err := os.ReadFile(recorded)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func record(t *testing.T, arch string, got figures) {
	t.Helper()
	all := load(t)
	all[arch] = got
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recorded, append(text, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
