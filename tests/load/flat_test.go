package load

import (
	"bytes"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// What TestFlat… does by default is for go test: few samples, on a machine that does other
// things. `task flat` has enough of them for 5 %.
var (
	flatWithin = flag.Float64("flat", 0.5, "by how much of the least the time for an execution may differ")
	flatRounds = flag.Int("rounds", 2, "how often each measurement has its turn")
	pendings   = flag.String("pending", "1000,10000", "how many executions wait while some are carried out, with commas")
	flatSlots  = flag.Int("slots", 16, "of the worker that carries them out")
	flatTaken  = flag.Int("taken", 300, "how many are carried out in a turn of each of them")

	slowGap    = flag.Duration("slow-gap", 400*time.Millisecond, "time between files when they come slowly; 1,000 in an hour is 3.6s")
	slowFiles  = flag.Int("slow-files", 10, "how many come so in a turn")
	quickFiles = flag.Int("quick-files", 40, "how many come at 1,000 in a minute in a turn")
	fileRows   = flag.Int("rows", 20_000, "rows of each of those files")
)

const quickGap = 60 * time.Millisecond // 1,000 in a minute

// level is what one measurement of several found, in turns.
type level struct {
	name  string
	cpu   []float64       // milliseconds of the cores for an execution, by turn
	part  []float64       // of them, the server's
	every []time.Duration // between two ends, by turn
	runs  []float64       // milliseconds from start to end, the median of a turn
	ran   []time.Duration // of each execution, as its outcome says
}

// addCPU notes a turn of n executions.
func (l *level) addCPU(worker, server time.Duration, n int) {
	l.cpu = append(l.cpu, 1e3*(worker+server).Seconds()/float64(n))
	l.part = append(l.part, 1e3*server.Seconds()/float64(n))
}

// flat fails the test when what is measured isn't about the same everywhere. It compares
// the medians of what each turn had of the average of its round: the machine's speed
// changes from round to round.
func flat(t *testing.T, what string, levels []level, turns func(level) []float64) {
	t.Helper()
	shares := make([][]float64, len(levels))
	for round := range turns(levels[0]) {
		var sum float64
		for _, l := range levels {
			sum += turns(l)[round]
		}
		for i, l := range levels {
			shares[i] = append(shares[i], turns(l)[round]/sum)
		}
	}
	var all []float64
	for _, s := range shares {
		all = append(all, median(s))
	}
	apart := slices.Max(all)/slices.Min(all) - 1
	t.Logf("%s is %.1f %% apart", what, 100*apart)
	if apart > *flatWithin {
		t.Errorf("%s is %.1f %% apart, want at most %.0f %%", what, 100*apart, 100**flatWithin)
	}
}

// TestFlatPending measures what an execution takes worker and server while many wait: as
// much as while few do.
func TestFlatPending(t *testing.T) {
	awaitQuiet(t)
	var levels []level
	var queues []*deep
	for text := range strings.SplitSeq(*pendings, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		queues = append(queues, newDeep(t, n))
		levels = append(levels, level{name: text})
	}
	for round := range *flatRounds {
		for i := range queues {
			if round%2 > 0 { // there and back: what else the machine does is the same for all
				i = len(queues) - 1 - i
			}
			worker, server, took := queues[i].turn(t, *flatTaken)
			levels[i].addCPU(worker, server, 1)
			levels[i].every = append(levels[i].every, took)
		}
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nwaiting\tCPU for an execution\tthe server's part\tone every\t")
	for _, l := range levels {
		slices.Sort(l.every)
		fmt.Fprintf(w, "%s\t%.3f ms\t%.3f ms\t%v\t\n", l.name, median(l.cpu), median(l.part), l.every[len(l.every)/2])
	}
	_ = w.Flush()
	t.Log(b.String())
	flat(t, "the cores' time for an execution", levels, func(l level) []float64 { return l.cpu })
}

// deep is a queue on which many executions wait, of several mailboxes by turns.
type deep struct {
	apart
	next, waits int
	uris        []string
}

// deepConfig is a small configuration: a million requests carry it.
const deepConfig = `{sage_yaml: {name: Ventas, description: d, version: "1.0", author: a}, catalogs: {ventas: {name: V, description: d,
filename: ventas.csv, file_format: {type: CSV, delimiter: ",", header: true}, fields: [{name: codigo_venta, type: texto, unique: true},
{name: codigo_cliente, type: texto}, {name: codigo_producto, type: texto}, {name: fecha, type: fecha}, {name: cantidad, type: entero},
{name: precio, type: decimal}, {name: total, type: decimal}]}},
packages: {ventas: {name: V, description: d, file_format: {type: CSV}, catalogs: [ventas]}}}`

const (
	deepMailboxes = 4
	deepWarm      = 60 // executions of a turn that aren't counted
)

func newDeep(t *testing.T, waits int) *deep {
	t.Helper()
	q := &deep{apart: newApart(t, bus.Fast, "file"), waits: waits}
	for i := range deepMailboxes {
		key := fmt.Sprintf("inputs/m%d/ventas.csv", i)
		if _, err := q.objects.Put(t.Context(), key, bytes.NewReader(sales(10))); err != nil {
			t.Fatal(err)
		}
		q.uris = append(q.uris, storage.Join(q.objects.URL(), key))
	}
	q.fill(t, waits)
	return q
}

// fill publishes n more.
func (q *deep) fill(t *testing.T, n int) {
	t.Helper()
	const batch = 10_000
	for n > 0 {
		rs := make([]execution.Request, min(n, batch))
		for i := range rs {
			m := (q.next + i) % deepMailboxes
			rs[i] = execution.Request{ID: fmt.Sprintf("e%07d", q.next+i), Mailbox: fmt.Sprintf("m%d", m), Config: execution.Config{Text: deepConfig},
				Inputs: []execution.Input{{URI: q.uris[m], Filename: "ventas.csv"}}}
		}
		q.publishAll(t, rs)
		q.next += len(rs)
		n -= len(rs)
	}
}

// turn has a worker carry out n, while as many wait as should, and returns what one took the
// worker and the server of the cores, and how long.
func (q *deep) turn(t *testing.T, n int) (worked, served, took time.Duration) {
	t.Helper()
	q.fill(t, q.waits+deepWarm+n-q.waiting(t))
	before := q.carriedOut(t)
	q.work(t, "10rows", *flatSlots)
	reach := func(n int) (reached int) { // looks seldom: that takes the server's time too
		for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
			if reached = q.carriedOut(t); reached >= n {
				return reached
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d were carried out in time", reached, n)
			}
		}
	}
	first := reach(before + deepWarm)
	workedBefore, servedBefore := q.cpu(t)
	began := time.Now()
	each := time.Duration(reach(first+n) - first)
	took = time.Since(began)
	worked, served = q.cpu(t)
	q.worked.Stop(t)
	return (worked - workedBefore) / each, (served - servedBefore) / each, took / each
}

// carriedOut counts the executions that have ended, by the events of that: of several
// mailboxes those come first whose turn it isn't, and they stay on the queue until it is.
func (q *deep) carriedOut(t *testing.T) (n int) {
	t.Helper()
	stream, err := q.js.Stream(t.Context(), bus.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(bus.SubjectEvent("*", execution.EventSucceeded)))
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range info.State.Subjects { // a mailbox each
		n += int(of)
	}
	return n
}

// TestFlatPace is the founding document's goal, more than 1,000 files an hour and no slower
// for it: each takes as long when 1,000 come in a minute as when they come in an hour.
func TestFlatPace(t *testing.T) {
	t.Parallel() // to what sleeps nearly always, as it does
	a := newApart(t, bus.Fast, "file")
	rs := a.files(t, *fileRows, *flatRounds*(*slowFiles+*quickFiles)+5)
	a.work(t, "files", 2)
	take := func(n int, gap time.Duration) (worker, server time.Duration, ends []execution.Outcome) {
		worked, served := a.cpu(t)
		ticker := time.NewTicker(gap)
		defer ticker.Stop()
		for _, r := range rs[:n] {
			<-ticker.C
			if err := queue.Publish(t.Context(), a.js, r); err != nil {
				t.Fatal(err)
			}
		}
		if n == 0 {
			time.Sleep(gap)
		}
		a.drained(t)
		worker, server = a.cpu(t)
		ends, rs = a.ends(t, rs[:n]), rs[n:]
		return worker - worked, server - served, ends
	}
	take(5, quickGap) // what is done once
	idle := max(5*time.Second, 10**slowGap)
	idleWorker, idleServer, _ := take(0, idle)
	levels := []level{{name: fmt.Sprintf("one each %v", *slowGap)}, {name: fmt.Sprintf("one each %v", quickGap)}}
	for range *flatRounds {
		for i, c := range []struct {
			n   int
			gap time.Duration
		}{{*slowFiles, *slowGap}, {*quickFiles, quickGap}} {
			spent := time.Duration(c.n) * c.gap
			worker, server, ends := take(c.n, c.gap)
			share := spent.Seconds() / idle.Seconds() // of what is spent whether files come or not
			levels[i].addCPU(worker-time.Duration(share*float64(idleWorker)), server-time.Duration(share*float64(idleServer)), c.n)
			var runs []float64
			for _, o := range ends {
				levels[i].ran = append(levels[i].ran, o.Finished.Sub(o.Started))
				runs = append(runs, 1e3*o.Finished.Sub(o.Started).Seconds())
			}
			levels[i].runs = append(levels[i].runs, median(runs))
		}
	}
	for _, l := range levels {
		slices.Sort(l.ran)
		t.Logf("%s, %d files of %d rows: CPU %.2f ms each (turns: %.2f), of it the server's %.2f; processing %v, the median; 90 %% of %v",
			l.name, len(l.ran), *fileRows, median(l.cpu), l.cpu, median(l.part), l.ran[len(l.ran)/2], l.ran[len(l.ran)*9/10])
	}
	t.Logf("without files: %.2f ms of CPU a second", 1e3*(idleWorker+idleServer).Seconds()/idle.Seconds())
	flat(t, "the cores' time for a file", levels, func(l level) []float64 { return l.cpu })
	flat(t, "the processing of a file", levels, func(l level) []float64 { return l.runs })
}

// files are n executions of files with so many rows.
func (a *apart) files(t testing.TB, rows, n int) []execution.Request {
	t.Helper()
	rs := a.requests(t, "10rows", n)
	key := fmt.Sprintf("inputs/%s/large.csv", rs[0].Mailbox)
	if _, err := a.objects.Put(t.Context(), key, bytes.NewReader(sales(rows))); err != nil {
		t.Fatal(err)
	}
	for i := range rs {
		rs[i].Inputs = []execution.Input{{URI: storage.Join(a.objects.URL(), key), Filename: "ventas.csv"}}
	}
	return rs
}

// sales is a file of so many rows.
func sales(rows int) []byte {
	b := bytes.NewBufferString(header)
	for i := range rows {
		fmt.Fprintf(b, row, i, i%1000)
	}
	return b.Bytes()
}
