package load

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/bridge"
	"github.com/sagefleet/sagefleet/bridge/remote"
	"github.com/sagefleet/sagefleet/deploy/lambdalocal"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/settings"
)

var down = flag.Duration("down", 3*time.Second, "how long the Lambda is down in TestLambdaDown")

// overflowing runs a bridge over a local Lambda with so many environments, which it
// reaches at the endpoint that reach returns, until the test ends. variables are added to
// its own.
func (r rig) overflowing(t *testing.T, environments int, takes time.Duration, reach func(string) string,
	variables map[string]string) (*lambdalocal.Service, *remote.Executor) {
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
	all := map[string]string{"LAMBDA_FUNCTION": "sage", "LAMBDA_ENDPOINT": reach(service.URL()), "OVERFLOW_CPU": "0"}
	for name, value := range variables {
		all[name] = value
	}
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
	lambda, err := remote.New(client, r.outcomes, calls)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bridge.New(t.Context(), r.connect(t, "bridge"), r.objects, r.cfg, lambda, "bridge", cfg, bridge.WithGovernor(lambda.Governor()))
	if err != nil {
		t.Fatal(err)
	}
	r.until(t, service.Run)
	r.until(t, b.Run)
	return service, lambda
}

// TestThrottledLambda: a bridge that may do 100 at once, over a Lambda that takes 4,
// invokes hardly more often than there are messages.
func TestThrottledLambda(t *testing.T) {
	const messages, environments = 150, 4
	r := newRig(t)
	service, lambda := r.overflowing(t, environments, 50*time.Millisecond, func(u string) string { return u },
		map[string]string{"OVERFLOW_PENDING": "0"})
	r.publish(t, 0, messages)
	r.drained(t)
	stats := service.Stats()
	ratio := float64(stats.Invocations+stats.Throttles) / messages
	t.Logf("%d invocations and %d throttles for %d messages: %.2f; %+v", stats.Invocations, stats.Throttles, messages, ratio, lambda.Governor().Stats())
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

// TestLambdaDown: while nothing answers, the workers do as much as ever, nothing is
// dead, and what is back is used at once.
func TestLambdaDown(t *testing.T) {
	const slots, takes = 2, 50 * time.Millisecond
	const window = 3 * time.Second
	for try := 1; ; try++ {
		awaitQuiet(t)
		r := newRig(t)
		front := newFront(t)
		r.worker(t, "w1", slots, takes)
		more := int((*down+2*window).Seconds()*slots*float64(time.Second/takes)) + 400
		r.publish(t, 0, more) // more than the workers can do in the meantime
		time.Sleep(time.Second)
		normal := r.local(t, more, window)
		service, _ := r.overflowing(t, 20, takes, front.before, map[string]string{"LAMBDA_TIMEOUT": "2s", "LAMBDA_MARGIN": "1s"})
		front.shut()
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
		t.Logf("workers do %.0f in %v, %.0f of %v while Lambda was down; %d waited; used %v after it was back; %d dead",
			normal, window, meanwhile, *down, left, recovery, letters)
		if letters > 0 || recovery > 5*time.Second {
			t.Fatalf("%d dead, recovery after %v", letters, recovery)
		}
		if meanwhile >= 0.95*normal {
			return
		}
		if try == quietTries {
			t.Fatalf("workers do %.2f of normal in each of %d tries, want 0.95", meanwhile/normal, quietTries)
		}
	}
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

// front stands before a Lambda and can be shut: then its port refuses connections.
type front struct {
	address string
	handler http.Handler
	mu      sync.Mutex
	server  *http.Server
	served  chan error
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
	f.handler = proxy
	if err := f.listen(); err != nil {
		panic(err)
	}
	return "http://" + f.address
}

func (f *front) open(t *testing.T) {
	t.Helper()
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
	f.server = &http.Server{Handler: f.handler, ReadHeaderTimeout: time.Second}
	f.served = make(chan error, 1)
	go func(s *http.Server, served chan error) { served <- s.Serve(listener) }(f.server, f.served)
	return nil
}

func (f *front) shut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.server != nil {
		_ = f.server.Close()
		<-f.served
		f.server = nil
	}
}
