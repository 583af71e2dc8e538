package load

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

// apart is a rig whose servers are processes of their own, as in a real fleet.
type apart struct {
	rig
	url, location string
	servers       []*process.Process
	worked        *process.Process // the worker; nil is this process
}

// build builds the programs once.
var build = sync.OnceValue(func() error {
	return process.Build(stores, "", "github.com/nats-io/nats-server/v2", "./worker/cmd/worker")
})

func newApart(t testing.TB, durability bus.Durability, store string) apart {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	dir := storeDir(t)
	var args []string
	if durability == bus.Fsync {
		config := filepath.Join(dir, "nats.conf")
		if err := os.WriteFile(config, []byte("jetstream { sync_interval: always }\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = []string{"--config", config}
	}
	server := process.StartServer(t, stores, dir, process.AnyPort, args...)
	servers := []*process.Process{server.Process}
	location := "file://" + storeDir(t)
	if store == "s3" {
		var s3 *process.Process
		s3, location = process.StartS3(t)
		servers = append(servers, s3)
	}
	cfg, err := settings.Parse[bus.Config](map[string]string{"NATS_URL": server.URL})
	if err != nil {
		t.Fatal(err)
	}
	connect := func(t testing.TB, _ string) jetstream.JetStream {
		_, js := server.Connect(t, cfg)
		return js
	}
	return apart{rig: newRigOver(t, cfg, connect, location), url: server.URL, location: location, servers: servers}
}

// cpu is what the worker, and what the servers had of the cores so far.
func (a *apart) cpu(t testing.TB) (worked, servers time.Duration) {
	t.Helper()
	for _, s := range a.servers {
		servers += s.CPU(t)
	}
	if a.worked != nil {
		return a.worked.CPU(t), servers
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), servers
}

// BenchmarkProtocol is executions through the whole protocol: outcome read, lock,
// record, outcome written and durable, record and events, double acknowledgement.
// Beside it stands the ceiling, measured in the same run: the same messages only
// consumed and double-acknowledged.
func BenchmarkProtocol(b *testing.B) {
	for _, c := range []struct {
		durability  bus.Durability
		store, work string
		slots       []int
	}{
		{bus.Fast, "file", "none", []int{8, 32, 128}},
		{bus.Fast, "file", "10rows", []int{8, 32, 128}},
		{bus.Fsync, "file", "10rows", []int{32, 128}},
		{bus.Fast, "s3", "10rows", []int{32, 128}},
	} {
		for _, slots := range c.slots {
			b.Run(fmt.Sprintf("durability=%s/store=%s/work=%s/slots=%d", c.durability, c.store, c.work, slots), func(b *testing.B) {
				a := newApart(b, c.durability, c.store)
				a.publishAll(b, a.requests(b, c.work, b.N))
				worked, servers := a.cpu(b)
				b.ResetTimer()
				if a.work(b, c.work, slots); a.worked != nil {
					worked = 0
				}
				a.drained(b)
				b.StopTimer()
				workedThen, serversThen := a.cpu(b)
				rate := float64(b.N) / b.Elapsed().Seconds()
				top := ceiling(b, newApart(b, c.durability, "file").rig)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(rate, "executions/s")
				b.ReportMetric(top, "ceiling/s")
				b.ReportMetric(float64((workedThen-worked).Microseconds())/float64(b.N), "worker-µs/op")
				b.ReportMetric(float64((serversThen-servers).Microseconds())/float64(b.N), "servers-µs/op")
			})
		}
	}
}

// work runs a worker with slots: the fleet's own program, or one in this process that
// has nothing to do.
func (a *apart) work(t testing.TB, work string, slots int) {
	if work == "none" {
		a.worker(t, "bench", slots, 0)
		return
	}
	vars := maps.Clone(process.AWSVariables)
	for name, value := range map[string]string{"NATS_URL": a.url, "STORAGE_URL": a.location, "SLOTS": fmt.Sprint(slots), "SCRATCH_DIR": storeDir(t)} {
		vars[name] = value
	}
	for _, name := range []string{"GOMAXPROCS", "GOGC"} { // to try what they change
		if value := os.Getenv(name); value != "" {
			vars[name] = value
		}
	}
	a.worked = process.Start(t, filepath.Join(stores, "worker"), vars)
}

const (
	configFile = "../../deploy/cmd/demo/configs/ventas.yaml"
	header     = "codigo_venta,codigo_cliente,codigo_producto,fecha,cantidad,precio,total\n"
	row        = "V-%010d,C-%08d,P-000001,2025-01-31,2,10.50,21.00\n"
)

// requests are n executions; those with work check files of ten rows.
func (a *apart) requests(t testing.TB, work string, n int) []execution.Request {
	t.Helper()
	rs := make([]execution.Request, n)
	for i := range rs {
		rs[i] = request(i)
	}
	if work == "none" {
		return rs
	}
	config, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	const files = 64
	var uris []string
	for i := range files {
		data := bytes.NewBufferString(header)
		for j := range 10 {
			fmt.Fprintf(data, row, 10*i+j, i)
		}
		key := fmt.Sprintf("inputs/%s/%d.csv", rs[0].Mailbox, i)
		if _, err := a.objects.Put(t.Context(), key, data); err != nil {
			t.Fatal(err)
		}
		uris = append(uris, storage.Join(a.objects.URL(), key))
	}
	for i := range rs {
		rs[i].Config.Text = string(config)
		rs[i].Inputs = []execution.Input{{URI: uris[i%files], Filename: "ventas.csv"}}
	}
	return rs
}

func (r rig) publishAll(t testing.TB, rs []execution.Request) {
	t.Helper()
	if err := queue.PublishMany(t.Context(), r.js, rs, nil); err != nil {
		t.Fatal(err)
	}
}

// ceiling is how many messages per second the server hands out and takes
// acknowledgements for.
func ceiling(b *testing.B, r rig) float64 {
	b.Helper()
	r.publish(b, 0, b.N)
	consumer, err := r.js.Consumer(b.Context(), bus.StreamExecutions, bus.ConsumerFleet)
	if err != nil {
		b.Fatal(err)
	}
	acked := make(chan error, b.N)
	limit := make(chan struct{}, 64)
	began := time.Now()
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		limit <- struct{}{}
		go func() {
			acked <- m.DoubleAck(b.Context())
			<-limit
		}()
	}, jetstream.PullPriorityGroup(bus.GroupFleet))
	if err != nil {
		b.Fatal(err)
	}
	defer consuming.Stop()
	for range b.N {
		if err := <-acked; err != nil {
			b.Fatal(err)
		}
	}
	return float64(b.N) / time.Since(began).Seconds()
}

// BenchmarkLatency is how long it takes, at 100 a second, from before a request is
// published until its outcome stands, is recorded and told.
func BenchmarkLatency(b *testing.B) {
	for _, durability := range []bus.Durability{bus.Fast, bus.Fsync} {
		b.Run(fmt.Sprintf("durability=%s/store=file/rate=100", durability), func(b *testing.B) {
			a := newApart(b, durability, "file")
			const slots = 8
			js := a.connect(b, "bench")
			guarded := a.guard(b, js, "bench", execution.OnWorker, a.sleep(0, execution.OnWorker))
			ended := make(chan struct {
				id string
				at time.Time
			}, b.N)
			timed := execution.ExecutorFunc(func(ctx context.Context, at execution.Attempt) (execution.Outcome, error) {
				o, err := guarded.Execute(ctx, at)
				ended <- struct {
					id string
					at time.Time
				}{at.Request.ID, time.Now()}
				return o, err
			})
			consumer := queue.NewWorker(js, a.cfg.AckWait, queue.Slots{Fleet: slots, Local: 1}, queueConfig)
			a.until(b, func(ctx context.Context) error { return consumer.Run(ctx, timed) })
			b.ResetTimer()
			began := make(map[string]time.Time, b.N)
			ticker := time.NewTicker(10 * time.Millisecond)
			defer ticker.Stop()
			for i := range b.N {
				<-ticker.C
				began[request(i).ID] = time.Now()
				a.publish(b, i, i+1)
			}
			a.drained(b)
			b.StopTimer()
			var took []time.Duration
			for range b.N {
				e := <-ended
				took = append(took, e.at.Sub(began[e.id]))
			}
			slices.Sort(took)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(took[b.N/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
