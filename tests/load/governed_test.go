package load

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/settings"
)

var down = flag.Duration("down", 5*time.Second, "how long the Lambda is down in TestLambdaDown")

// overflowing runs a bridge with books and a budget over a local Lambda with so many
// environments, which it reaches at the endpoint that reach returns, until the test ends.
// variables are added to its own.
func (r rig) overflowing(t *testing.T, environments int, takes time.Duration, reach func(string) string, variables map[string]string) *lambdalocal.Service {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	service, err := lambdalocal.Listen(lambdalocal.Config{Function: "sage", Command: []string{self}, Concurrency: environments,
		Env: []string{"STORAGE_URL=" + r.objects.URL(), variableSleep + "=" + takes.String()}})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"LAMBDA_FUNCTION": "sage", "LAMBDA_ENDPOINT": reach(service.URL()), "OVERFLOW_CPU": "0", "BUDGET_HOUR_USD": "100"}
	maps.Copy(all, variables)
	calls, err := settings.Parse[remote.Config](all)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := settings.Parse[bridge.Config](all)
	if err != nil {
		t.Fatal(err)
	}
	client, err := remote.NewClient(t.Context(), calls)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bridge.Open(t.Context(), r.connect(t, "bridge"), r.objects, r.cfg, client, "bridge", cfg, calls)
	if err != nil {
		t.Fatal(err)
	}
	r.until(t, service.Run)
	r.until(t, b.Run)
	return service
}

// TestThrottledLambda: a bridge that may do 100 at once, over a Lambda that takes 4,
// invokes hardly more often than there are messages.
func TestThrottledLambda(t *testing.T) {
	const messages, environments = 150, 4
	r := newRig(t)
	service := r.overflowing(t, environments, 50*time.Millisecond, func(u string) string { return u },
		map[string]string{"OVERFLOW_PENDING": "0"})
	r.publish(t, 0, messages)
	r.drained(t)
	stats := service.Stats()
	ratio := float64(stats.Invocations+stats.Throttles) / messages
	t.Logf("%d invocations and %d throttles for %d messages: %.2f", stats.Invocations, stats.Throttles, messages, ratio)
	if stats.Invocations != messages || stats.Throttles == 0 || ratio > 1.2 {
		t.Errorf("%d invocations and %d throttles for %d messages, want some throttles and at most 1.2 of both together",
			stats.Invocations, stats.Throttles, messages)
	}
	for i := range messages { // a throttle charges no attempt
		if o, err := r.outcomes.Read(t.Context(), request(i).Key()); err != nil || o.Number != 1 {
			t.Errorf("%s: attempt %d, %v", request(i).ID, o.Number, err)
		}
	}
}

// downs are the ways in which a Lambda can be down.
var downs = []struct {
	name string
	way  func(*front)
}{
	{"refuses connections", (*front).shut},
	{"hangs", (*front).hang},
	{"answers 503", (*front).fail},
}

// TestLambdaDown: while nothing answers, the workers do as much as ever, nothing is
// dead, and what is back is used at once.
func TestLambdaDown(t *testing.T) {
	t.Parallel()
	awaitQuiet(t)
	for _, d := range downs {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel() // they sleep nearly always
			for try := 1; ; try++ {
				share := outlast(t, d.way)
				if share >= 0.95 {
					return
				}
				if try == quietTries {
					t.Fatalf("workers do %.2f of normal in each of %d tries, want 0.95", share, quietTries)
				}
			}
		})
	}
}

// outlast has workers and a bridge outlast a Lambda that is down in a way, and returns what
// the workers did meanwhile, as a share of what they do normally.
func outlast(t *testing.T, way func(*front)) float64 {
	t.Helper()
	const slots, takes = 8, 200 * time.Millisecond // so long that a busy machine, which delays each a little, is no matter
	const window = 3 * time.Second
	r := newRig(t)
	front := newFront(t)
	r.worker(t, "w1", slots, takes)
	more := int((*down+2*window).Seconds()*slots*float64(time.Second/takes)) + 400
	r.publish(t, 0, more) // more than the workers can do in the meantime
	time.Sleep(time.Second)
	normal := r.local(t, more, window)
	service := r.overflowing(t, 20, takes, front.before, map[string]string{"LAMBDA_TIMEOUT": "2s", "LAMBDA_MARGIN": "1s"})
	way(front)
	time.Sleep(time.Second / 2)
	meanwhile := r.local(t, more, *down) * float64(window) / float64(*down)
	left := r.waiting(t)
	before := service.Stats().Invocations
	if left < 50 {
		t.Fatalf("%d left: the test shows nothing", left)
	}
	front.open(t)
	began := time.Now()
	for service.Stats().Invocations == before && time.Since(began) < 10*time.Second {
		time.Sleep(5 * time.Millisecond)
	}
	recovery := time.Since(began)
	r.drained(t)
	dead, err := r.js.Stream(t.Context(), bus.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	letters := dead.CachedInfo().State.Msgs
	t.Logf("workers do %.0f in %v, %.0f of %v while Lambda was down, %d requests came to nothing; %d waited; used %v after it was back; %d dead",
		normal, window, meanwhile, *down, front.vain.Load(), left, recovery, letters)
	if letters > 0 || recovery > 5*time.Second {
		t.Fatalf("%d dead, recovery after %v", letters, recovery)
	}
	return meanwhile / normal
}

// local counts what workers end in a while.
func (r rig) local(t *testing.T, n int, while time.Duration) float64 {
	t.Helper()
	from := time.Now()
	time.Sleep(while)
	to := time.Now()
	var ended int
	for i := range n {
		o, err := r.outcomes.Read(t.Context(), request(i).Key())
		if err == nil && o.Executor == execution.OnWorker && o.Finished.After(from) && o.Finished.Before(to) {
			ended++
		}
	}
	return float64(ended) * float64(while) / float64(to.Sub(from))
}

func (r rig) waiting(t *testing.T) int {
	t.Helper()
	stream, err := r.js.Stream(t.Context(), bus.StreamExecutions)
	if err != nil {
		t.Fatal(err)
	}
	return int(stream.CachedInfo().State.Msgs)
}

// front stands before a Lambda and can be down in several ways.
type front struct {
	address string
	lambda  http.Handler
	mu      sync.Mutex
	server  *http.Server
	served  chan error
	instead atomic.Pointer[http.HandlerFunc] // of the Lambda; nil is the Lambda
	vain    atomic.Int64                     // requests that it did not get
}

func newFront(t *testing.T) *front {
	f := &front{address: "127.0.0.1:0"}
	t.Cleanup(f.shut)
	return f
}

// before opens the front and returns its endpoint.
func (f *front) before(endpoint string) string {
	to, err := url.Parse(endpoint)
	if err != nil {
		panic(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	f.lambda = proxy
	if err := f.listen(); err != nil {
		panic(err)
	}
	return "http://" + f.address
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if instead := f.instead.Load(); instead != nil {
		f.vain.Add(1)
		(*instead)(w, r)
		return
	}
	f.lambda.ServeHTTP(w, r)
}

// hang has the front take requests and never answer them, also when it is open again.
func (f *front) hang() {
	hanging := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else it isn't noticed when the caller goes
		<-r.Context().Done()
	})
	f.instead.Store(&hanging)
}

// fail has the front answer as Lambda does when it has troubles of its own.
func (f *front) fail() {
	failing := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "ServiceException")
		http.Error(w, `{"Type":"Service","Message":"out of order"}`, http.StatusServiceUnavailable)
	})
	f.instead.Store(&failing)
}

func (f *front) open(t *testing.T) {
	t.Helper()
	f.instead.Store(nil)
	f.mu.Lock()
	shut := f.server == nil
	f.mu.Unlock()
	if !shut {
		return
	}
	if err := f.listen(); err != nil {
		t.Fatal(err)
	}
}

func (f *front) listen() error {
	listener, err := net.Listen("tcp", f.address)
	if err != nil {
		return fmt.Errorf("front: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.address = listener.Addr().String()
	f.server = &http.Server{Handler: f, ReadHeaderTimeout: time.Second}
	f.served = make(chan error, 1)
	go func(s *http.Server, served chan error) { served <- s.Serve(listener) }(f.server, f.served)
	return nil
}

// shut closes the port: it refuses connections.
func (f *front) shut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server != nil {
		_ = f.server.Close()
		<-f.served
		f.server = nil
	}
}
