package chaos

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/tests/process"
)

//go:embed testdata/pedidos.yaml
var pedidos []byte

// scenario is what makes a fleet pass a point.
type scenario struct {
	fleet  string                     // of workers, or of bridges with a Lambda
	arms   map[failpoint.Point]string // what else happens on the way
	config []byte                     // pedidos when nil
	kind   execution.Kind             // SUCCEEDED when empty
	alone  bool                       // without others that keep it company
	only   map[string]bool            // stores; all when nil
	after  func(*fleet, testing.TB)   // once the crash has happened
	// submit has the execution carried out, by a command that is killed, and
	// returns what must end; nil submits with the library.
	submit func(testing.TB, *run) []execution.Key
}

// Fleets.
const (
	workers = "workers"
	bridges = "bridges"
)

var (
	ordinary = scenario{fleet: workers}
	dead     = scenario{fleet: workers, config: []byte("sage_yaml: 1\n"), kind: execution.Dead}
	retried  = scenario{fleet: workers, arms: map[failpoint.Point]string{failpoint.Working: "error"}}
	inFiles  = scenario{fleet: workers, only: map[string]bool{"file": true}}
	byHand   = scenario{fleet: workers, submit: submitTwice}
	remote   = scenario{fleet: bridges}
	inLambda = scenario{fleet: bridges, after: (*fleet).rescue}
	// large has a result that doesn't fit into OUTCOME: the configuration itself.
	large     = scenario{fleet: workers, config: append(bytes.Repeat([]byte("# Pedidos de un día\n"), 16<<10), pedidos...)}
	redriven  = scenario{fleet: workers, config: dead.config, kind: execution.Dead, alone: true, submit: redriveTwice}
	cancelled = scenario{fleet: workers, kind: execution.Cancelled, alone: true, submit: cancelTwice,
		arms: map[failpoint.Point]string{failpoint.Working: "delay:3s"}}
	// unsure doesn't hear that its OUTCOME was created.
	unsure = scenario{fleet: workers, arms: map[failpoint.Point]string{failpoint.Committed: "error"}}
)

// scenarios are the ways to each point. A test finds points that have none.
var scenarios = map[failpoint.Point][]scenario{
	failpoint.InputsStored:   {byHand},
	failpoint.RequestStored:  {byHand},
	failpoint.Published:      {byHand},
	failpoint.Received:       {ordinary, remote},
	failpoint.NoOutcome:      {ordinary},
	failpoint.Locked:         {ordinary, remote},
	failpoint.Recorded:       {ordinary},
	failpoint.Reserved:       {remote},
	failpoint.Entered:        {remote},
	failpoint.Invoking:       {remote},
	failpoint.Invoked:        {remote},
	failpoint.Closed:         {remote},
	failpoint.Working:        {ordinary},
	failpoint.Worked:         {ordinary, inLambda},
	failpoint.OutputPut:      {large},
	failpoint.Committing:     {ordinary, dead},
	failpoint.FileWritten:    {inFiles},
	failpoint.FileLinked:     {inFiles},
	failpoint.Committed:      {ordinary, inLambda},
	failpoint.ReadBack:       {unsure},
	failpoint.Unlocked:       {retried},
	failpoint.EventSent:      {ordinary, dead},
	failpoint.Ended:          {ordinary},
	failpoint.EventStored:    {ordinary, dead},
	failpoint.Burying:        {dead},
	failpoint.Buried:         {dead},
	failpoint.Acking:         {ordinary, dead},
	failpoint.Acked:          {ordinary},
	failpoint.RetryRecorded:  {retried},
	failpoint.RetryTold:      {retried},
	failpoint.RetryScheduled: {retried},
	failpoint.Due:            {retried},
	failpoint.Moved:          {retried},
	failpoint.Reopened:       {redriven},
	failpoint.Requeued:       {redriven},
	failpoint.Cancelled:      {cancelled},
	failpoint.Recalled:       {cancelled},
}

// submission asks for a file of some rows to be put through s's configuration.
func (s scenario) submission(k execution.Key, rows int) producer.Submission {
	config := s.config
	if config == nil {
		config = pedidos
	}
	return producer.Submission{Mailbox: k.Mailbox, ID: k.ID, Method: "chaos", Config: config,
		Files: []producer.File{{Name: "pedidos.csv", Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(orders(rows))), nil
		}}}}
}

func orders(rows int) string {
	var b strings.Builder
	b.WriteString("codigo,fecha,cantidad,precio,total\n")
	for i := range rows {
		fmt.Fprintf(&b, "P-%09d,2026-%02d-%02d,2,1.50,3.00\n", i, 1+i%12, 1+i%28)
	}
	return b.String()
}

// submitTwice submits with the command.
func submitTwice(t testing.TB, r *run) []execution.Key {
	dir := t.TempDir()
	config, data := filepath.Join(dir, "pedidos.yaml"), filepath.Join(dir, "pedidos.csv")
	for path, content := range map[string]string{config: string(pedidos), data: orders(r.rows)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	call := time.Now()
	again := r.commandTwice(t, "submit", config, data, "--mailbox", r.key.Mailbox, "--id", r.key.ID)
	r.journal.unanswered(r.key, submitted{}, call)
	r.journal.note(r.key, submitted{}, nil, again)
	return []execution.Key{r.key}
}

// redriveTwice opens the next generation of an execution that is DEAD.
func redriveTwice(t testing.TB, r *run) []execution.Key {
	r.submitAs(t, r.key)
	if !r.await(t, []execution.Key{r.key}) {
		t.Errorf("%s did not end before it was redriven", r.key)
	}
	next := r.key
	next.Generation++
	call := time.Now()
	again := r.commandTwice(t, "redrive", r.key.ID, "--mailbox", r.key.Mailbox)
	r.journal.unanswered(next, submitted{}, call)
	r.journal.note(next, submitted{}, nil, again)
	return []execution.Key{r.key, next}
}

// cancelTwice cancels an execution while a worker is at it.
func cancelTwice(t testing.TB, r *run) []execution.Key {
	r.submitAs(t, r.key)
	process.Eventually(t, patience, r.key.String()+" is worked on", func() bool { return !r.fleet.armed(failpoint.Working) })
	r.commandTwice(t, "cancel", r.key.ID, "--mailbox", r.key.Mailbox)
	return []execution.Key{r.key}
}

// commandTwice runs a command, which is killed at the point, and repeats it as its
// user would. It returns when it did.
func (r *run) commandTwice(t testing.TB, args ...string) (again time.Time) {
	t.Helper()
	if killed := process.Start(t, program("sage"), r.fleet.vars, args...); killed.Exit(t, time.Minute) != -1 {
		t.Errorf("%s: the command was to be killed at %s, and said %s", r.key, r.point, killed.Tail(1<<10))
	}
	again = time.Now()
	if repeated := process.Start(t, program("sage"), r.fleet.vars, args...); repeated.Exit(t, time.Minute) != 0 {
		t.Errorf("%s: the repeated command said %s", r.key, repeated.Tail(1<<10))
	}
	return again
}

// rescue lends a fleet of bridges a worker, which takes retries back to the queue.
func (f *fleet) rescue(t testing.TB) {
	f.addWorker()
	f.revive(t)
}
