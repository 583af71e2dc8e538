package load

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/telemetry"
	"github.com/sagefleet/sagefleet/tests/process"
)

var environments = flag.Int("environments", 100, "how many environments the Lambda of a platform has")

// platform is a fleet of which each part is a process of its own: NATS server, workers,
// bridge, and a Lambda whose every environment is one too. This process only submits.
type platform struct {
	apart
	programs string
	vars     map[string]string // what every program is told
	lambda   *process.Process
}

// buildPlatform builds the programs once, with failpoints: executions can take a time then
// that isn't the cores'.
var buildPlatform = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(stores, "programs")
	return dir, process.Build(dir, "failpoints", "./worker/cmd/worker", "./worker/cmd/lambda", "./bridge/cmd/bridge", "./deploy/cmd/lambdalocal")
})

func newPlatform(t testing.TB) *platform {
	t.Helper()
	process.DependOnSources(t)
	programs, err := buildPlatform()
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{apart: newApart(t, bus.Fast, "file"), programs: programs}
	p.vars = maps.Clone(process.AWSVariables)
	p.vars["NATS_URL"], p.vars["STORAGE_URL"], p.vars["SCRATCH_DIR"] = p.url, p.location, storeDir(t)
	return p
}

// variableFailpoint arms failpoints; only builds with them know its name.
const variableFailpoint = "SAGE_FAILPOINT"

// takes has every execution of a program take so long, besides what its work takes.
func takes(d time.Duration) string { return fmt.Sprintf("%s:every=delay:%v", failpoint.Working, d) }

// start starts a program and waits until it says that it is at work.
func (p *platform) start(t testing.TB, name, sign string, more map[string]string, args ...string) *process.Process {
	t.Helper()
	vars := maps.Clone(p.vars)
	maps.Copy(vars, more)
	s := process.Start(t, filepath.Join(p.programs, name), vars, args...)
	process.Eventually(t, time.Minute, name+" says: "+sign, func() bool {
		if !s.Running() {
			t.Fatalf("%s ended", s)
		}
		return strings.Contains(s.Tail(1<<20), sign)
	})
	return s
}

// addWorker starts a worker and returns where its metrics are.
func (p *platform) addWorker(t testing.TB, slots int, failpoints string) (metrics string) {
	t.Helper()
	w := p.start(t, "worker", "worker takes executions", map[string]string{"SLOTS": fmt.Sprint(slots), variableFailpoint: failpoints, "METRICS_LISTEN": "127.0.0.1:0"})
	at := served.FindStringSubmatch(w.Tail(1 << 20))
	if at == nil {
		t.Fatalf("%s tells no address", w)
	}
	return "http://" + at[1] + "/metrics"
}

var (
	served    = regexp.MustCompile(`"address":"([^"]+)","[^\n]*"metrics are served"`)
	slotsBusy = regexp.MustCompile(telemetry.SlotsBusy.Name + `\{queue="fleet"\} (\d+)`)
)

// occupied is how many slots of the workers with those metrics have an execution, on average
// from a second on until ctx ends.
func occupied(ctx context.Context, t testing.TB, metrics []string) float64 {
	sum, samples := 0, 0
	for wait := time.Second; ; wait = 20 * time.Millisecond {
		select {
		case <-ctx.Done():
			return float64(sum) / float64(max(samples, 1))
		case <-time.After(wait):
		}
		busy := 0
		for _, url := range metrics {
			busy += busyNow(t, url)
		}
		sum, samples = sum+busy, samples+1
	}
}

func busyNow(t testing.TB, url string) int {
	response, err := http.Get(url)
	if err != nil {
		t.Error(err)
		return 0
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	found := slotsBusy.FindSubmatch(text)
	if err != nil || found == nil {
		t.Errorf("%s tells nothing of slots: %v", url, err)
		return 0
	}
	n, _ := strconv.Atoi(string(found[1])) // the expression has digits only
	return n
}

// addLambda starts a Lambda whose executions take so long, and returns its endpoint.
func (p *platform) addLambda(t testing.TB, failpoints string) string {
	t.Helper()
	args := []string{"--json", "--quiet", "--concurrency", fmt.Sprint(*environments)}
	vars := maps.Clone(p.vars)
	vars[variableFailpoint] = failpoints
	for name, value := range vars {
		args = append(args, "--env", name+"="+value)
	}
	const sign = `"endpoint":`
	p.lambda = p.start(t, "lambdalocal", sign, nil, append(args, filepath.Join(p.programs, "lambda"))...)
	var said struct{ Endpoint string }
	if err := json.Unmarshal([]byte(p.lambda.Tail(1<<20)), &said); err != nil {
		t.Fatal(err)
	}
	return said.Endpoint
}

// addBridge starts a bridge that keeps books and has a budget, as in a fleet.
func (p *platform) addBridge(t testing.TB, endpoint string, more map[string]string) *process.Process {
	t.Helper()
	vars := map[string]string{"LAMBDA_FUNCTION": "sage", "LAMBDA_ENDPOINT": endpoint, "LAMBDA_TIMEOUT": "1m", "BUDGET_HOUR_USD": "100",
		"LAMBDA_CONCURRENCY": fmt.Sprint(*environments), "BRIDGE_SLOTS": fmt.Sprint(*environments),
		// The machine's processors are busy with the tests, not with the workers.
		"OVERFLOW_CPU": "0"}
	maps.Copy(vars, more)
	return p.start(t, "bridge", "bridge watches the backlog", vars)
}

// arrive publishes rs, so many in a second, and never faster, with a deadline each. It returns
// when it began and ended.
func (p *platform) arrive(t testing.TB, rs []execution.Request, rate float64, within time.Duration) (from, to time.Time) {
	t.Helper()
	ticker := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer ticker.Stop()
	from = time.Now()
	for _, r := range rs {
		<-ticker.C
		r.Deadline = time.Now().Add(within).UTC()
		if err := queue.Publish(t.Context(), p.js, r); err != nil {
			t.Fatal(err)
		}
	}
	return from, time.Now()
}

// stopLambda ends the Lambda and returns what it counted.
func (p *platform) stopLambda(t testing.TB) (stats lambdalocal.Stats) {
	t.Helper()
	p.lambda.Stop(t)
	_, last, _ := strings.Cut(p.lambda.Tail(1<<20), "\n")
	if err := json.Unmarshal([]byte(last), &stats); err != nil {
		t.Fatalf("%v: %s", err, last)
	}
	return stats
}

// door stands before a Lambda and tells when each request to invoke it comes.
type door struct {
	url   string
	comes chan time.Time
}

func newDoor(t testing.TB, endpoint string) door {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	d := door{comes: make(chan time.Time, 1000)}
	behind := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.comes <- time.Now()
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}
