package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/telemetry"
	"github.com/sagefleet/sagefleet/tests/process"
	"github.com/sagefleet/sagefleet/worker"
)

// show is what a worker shows of itself. Each shows what the one before does, and more.
type show string

const (
	silence show = "silence"
	events  show = "events"
	metrics show = "metrics" // and the log: what a worker does unless it is told otherwise
	traces  show = "traces"  // of every execution
)

// BenchmarkOverhead compares workers that show more and more of themselves, by the time of
// the cores that they and their NATS servers spend on an execution. They take turns, there
// and back, so that whatever else the machine does is the same for all. What is shown of an
// execution costs the same however long it takes: so it is measured on a file that is
// nearly nothing, and on one as it comes by mail.
func BenchmarkOverhead(b *testing.B) {
	for _, rows := range []int{10, 1000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) { overhead(b, rows) })
	}
}

func overhead(b *testing.B, rows int) {
	rounds := b.N / batch
	if rounds == 0 {
		return // the one iteration that comes before those asked for
	}
	cpu, rate := map[show][]float64{}, map[show][]float64{}
	order := []show{silence, events, metrics, traces}
	for range rounds {
		compare(b, rows, order, func(s show, c, d time.Duration) {
			cpu[s], rate[s] = append(cpu[s], c.Seconds()), append(rate[s], batch/d.Seconds())
		})
		slices.Reverse(order)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(1e6*median(cpu[silence])/batch, "silence-µs/op")
	for _, s := range []show{events, metrics, traces} {
		b.ReportMetric(100*(median(ratios(cpu[s], cpu[silence]))-1), string(s)+"-cpu-%")
		b.ReportMetric(100*(median(ratios(rate[s], rate[silence]))-1), string(s)+"-rate-%")
	}
}

// batch is how many executions a worker has in its turn.
const batch = 150

// compare has new workers take turns in that order, and tells what each turn took. They are
// new for each round: processes that do the same differ by some percent for as long as they
// live.
func compare(b *testing.B, rows int, order []show, tell func(s show, cpu, took time.Duration)) {
	b.Helper()
	workers := map[show]*shownWorker{}
	for _, s := range order {
		workers[s] = newShown(b, s, rows)
		workers[s].turn(b, batch/5) // what is done once
	}
	for _, s := range order {
		cpu, took := workers[s].turn(b, batch)
		tell(s, cpu, took)
	}
	for _, w := range workers {
		w.stop(b)
	}
}

// ratios are those of what was measured in the same round.
func ratios(of, to []float64) []float64 {
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / to[i]
	}
	return all
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// shownWorker is a worker in a process of its own, with a server that nobody else has.
type shownWorker struct {
	apart
	rows int // of its files
	done int
}

// variableShow makes this test binary a worker that shows what its value says.
const variableShow = "SAGE_TEST_SHOW"

func newShown(b *testing.B, s show, rows int) *shownWorker {
	b.Helper()
	w := &shownWorker{apart: newApart(b, bus.Fast, "file"), rows: rows}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	vars := map[string]string{variableShow: string(s), "NATS_URL": w.url, "STORAGE_URL": w.location, "SLOTS": "8", "SCRATCH_DIR": storeDir(b),
		"GOMAXPROCS": "8", "GOGC": "800"} // about what the worker gives itself
	if s == traces {
		collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
		b.Cleanup(collector.Close)
		vars["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.URL
	}
	w.worked = process.Start(b, self, vars)
	return w
}

// stop ends the worker and its server: idle ones beat and poll.
func (w *shownWorker) stop(b *testing.B) {
	b.Helper()
	w.worked.Stop(b)
	for _, s := range w.servers {
		s.Stop(b)
	}
}

// turn has the worker execute n, and returns the cores' time and the time that it took.
func (w *shownWorker) turn(b *testing.B, n int) (cpu, took time.Duration) {
	b.Helper()
	rs := w.files(b, w.rows, n)
	for i := range rs {
		rs[i].ID = fmt.Sprintf("e%07d", w.done+i)
	}
	w.done += n
	worked, served := w.cpu(b)
	began := time.Now()
	w.publishAll(b, rs)
	w.drained(b)
	took = time.Since(began)
	workedThen, servedThen := w.cpu(b)
	return workedThen - worked + servedThen - served, took
}

// serveShown is the worker's main, but for what it shows.
func serveShown(s show) error {
	level := zerolog.Disabled
	if s == metrics || s == traces {
		level = zerolog.InfoLevel
	}
	log := zerolog.New(os.Stderr).Level(level).With().Timestamp().Logger()
	ctx, stop := signal.NotifyContext(log.WithContext(context.Background()), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := settings.Parse[struct {
		StorageURL string `env:"STORAGE_URL,required"`
		Fleet      bus.Config
		Worker     worker.Config
		Traces     telemetry.Traces
	}](env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	objects, err := storage.Open(ctx, cfg.StorageURL)
	if err != nil {
		return err
	}
	nc, js, err := bus.Join(ctx, cfg.Fleet, bus.IdentityWorker)
	if err != nil {
		return err
	}
	defer nc.Close()
	if s == silence {
		js = mute{js}
	}
	flush, err := cfg.Traces.Send(ctx, "worker", string(s))
	if err != nil {
		return err
	}
	defer flush()
	monitor := telemetry.New("worker", telemetry.Config{Mailboxes: 50})
	if level != zerolog.Disabled {
		objects = monitor.Store(objects)
	}
	w, err := worker.New(ctx, js, objects, cfg.Fleet, string(s), cfg.Worker)
	if err != nil {
		return err
	}
	if level == zerolog.Disabled {
		return w.Run(ctx)
	}
	w.Watch(monitor)
	go scrape(ctx, monitor)
	return w.Run(ctx)
}

// scrape gathers the metrics every second: Prometheus asks less often.
func scrape(ctx context.Context, monitor *telemetry.Monitor) {
	for every := time.Tick(time.Second); ctx.Err() == nil; <-every {
		_, _ = monitor.Gatherer().Gather()
	}
}

// mute is a JetStream that says it has events, and drops them.
type mute struct{ jetstream.JetStream }

func (m mute) PublishMsgAsync(msg *nats.Msg, opts ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	if strings.HasPrefix(msg.Subject, strings.TrimSuffix(bus.SubjectEvent("", ""), ".")) {
		return dropped{}, nil
	}
	return m.JetStream.PublishMsgAsync(msg, opts...)
}

type dropped struct{ jetstream.PubAckFuture }

func (dropped) Ok() <-chan *jetstream.PubAck {
	ok := make(chan *jetstream.PubAck, 1)
	ok <- &jetstream.PubAck{}
	return ok
}

func (dropped) Err() <-chan error { return nil }
