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
	fleet  string                     // of workers, or of bridges with a Lambda, which may be sent events
	arms   map[failpoint.Point]string // what else happens on the way
	config []byte                     // pedidos when nil
	kind   execution.Kind             // SUCCEEDED when empty
	alone  bool                       // without others that keep it company
	only   map[string]bool            // stores; all when nil
	after  func(*fleet, testing.TB)   // once the crash has happened
	// submit has the execution carried out, by a command that is killed, and
	// returns what must end; nil submits with the library.
	submit func(testing.TB, *run) []execution.Key
	env    map[string]string // of that command
	// settled reports whether all is as it should be, where that takes more than an end.
	settled func(testing.TB, *run) bool
	leads   bool // what is crashed is the one bridge that does it for all
}

// Fleets.
const (
	workers = "workers"
	bridges = "bridges"
	events  = "events"
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
	asEvent       = scenario{fleet: events}
	asEventLambda = scenario{fleet: events, after: (*fleet).rescue}
	// withdrawn is a delegation of which the bridge doesn't know that it is written down.
	withdrawn = scenario{fleet: bridges, arms: map[failpoint.Point]string{failpoint.Entered: "error"}}
	// swept is a retry that no worker moves.
	swept = scenario{fleet: bridges, arms: map[failpoint.Point]string{failpoint.Working: "error"}, alone: true, leads: true}
	// untold ended, and nothing says so; unqueued is stored, and on no queue.
	untold   = scenario{fleet: bridges, kind: execution.Dead, alone: true, submit: commitAlone, settled: repaired, leads: true}
	unqueued = scenario{fleet: bridges, alone: true, submit: storeAlone, settled: repaired, leads: true}
	erased   = scenario{fleet: workers, config: dead.config, kind: execution.Dead, alone: true, submit: eraseTwice, settled: forgotten}
	retired  = scenario{fleet: workers, alone: true, submit: collectTwice, env: map[string]string{"RETAIN_INPUTS": "1ms"}, settled: unstored}
	// unsure doesn't hear that its OUTCOME was created.
	unsure = scenario{fleet: workers, arms: map[failpoint.Point]string{failpoint.Committed: "error"}}
)

// scenarios are the ways to each point. A test finds points that have none.
var scenarios = map[failpoint.Point][]scenario{
	failpoint.InputsStored:   {byHand},
	failpoint.RequestStored:  {byHand},
	failpoint.Published:      {byHand},
	failpoint.Received:       {ordinary, remote, asEvent},
	failpoint.NoOutcome:      {ordinary},
	failpoint.Locked:         {ordinary, remote},
	failpoint.Recorded:       {ordinary},
	failpoint.Reserved:       {remote, asEvent},
	failpoint.Withdrawn:      {withdrawn},
	failpoint.Entered:        {remote},
	failpoint.Invoking:       {remote},
	failpoint.Invoked:        {remote, asEvent},
	failpoint.Closed:         {remote, asEvent},
	failpoint.Working:        {ordinary},
	failpoint.Worked:         {ordinary, inLambda, asEventLambda},
	failpoint.OutputPut:      {large},
	failpoint.Committing:     {ordinary, dead},
	failpoint.FileWritten:    {inFiles},
	failpoint.FileLinked:     {inFiles},
	failpoint.Committed:      {ordinary, inLambda, asEventLambda},
	failpoint.ReadBack:       {unsure},
	failpoint.Unlocked:       {retried},
	failpoint.EventSent:      {ordinary, dead},
	failpoint.Ended:          {ordinary},
	failpoint.EventStored:    {ordinary, dead, asEvent},
	failpoint.Burying:        {dead},
	failpoint.Buried:         {dead},
	failpoint.Acking:         {ordinary, dead},
	failpoint.Acked:          {ordinary},
	failpoint.RetryRecorded:  {retried},
	failpoint.RetryTold:      {retried},
	failpoint.RetryScheduled: {retried},
	failpoint.Due:            {retried, swept},
	failpoint.Moved:          {retried, swept},
	failpoint.Reopened:       {redriven},
	failpoint.Requeued:       {redriven},
	failpoint.Cancelled:      {cancelled},
	failpoint.Recalled:       {cancelled},
	failpoint.Resettled:      {untold},
	failpoint.Reburied:       {untold},
	failpoint.Repaired:       {untold, unqueued},
	failpoint.Restored:       {unqueued},
	failpoint.Unrequested:    {retired},
	failpoint.FilesErased:    {erased},
	failpoint.OutcomeErased:  {erased},
	failpoint.RecordErased:   {erased},
	failpoint.LettersErased:  {erased},
	failpoint.EventsErased:   {erased},
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
	config, data := r.files(t)
	call := time.Now()
	again := r.commandTwice(t, "submit", config, data, "--mailbox", r.key.Mailbox, "--id", r.key.ID)
	r.journal.unanswered(r.key, submitted{}, call)
	r.journal.note(r.key, submitted{}, nil, again)
	return []execution.Key{r.key}
}

// files are what a command submits.
func (r *run) files(t testing.TB) (config, data string) {
	t.Helper()
	dir := t.TempDir()
	config, data = filepath.Join(dir, "pedidos.yaml"), filepath.Join(dir, "pedidos.csv")
	for path, content := range map[string]string{config: string(pedidos), data: orders(r.rows)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config, data
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
	vars := r.fleet.with(r.env)
	if killed := process.Start(t, program("sage"), vars, args...); killed.Exit(t, time.Minute) != -1 {
		t.Errorf("%s: the command was to be killed at %s, and said %s", r.key, r.point, killed.Tail(1<<10))
	}
	again = time.Now()
	if repeated := process.Start(t, program("sage"), vars, args...); repeated.Exit(t, time.Minute) != 0 {
		t.Errorf("%s: the repeated command said %s", r.key, repeated.Tail(1<<10))
	}
	return again
}

// rescue lends a fleet of bridges a worker, which takes retries back to the queue.
func (f *fleet) rescue(t testing.TB) {
	f.addWorker()
	f.revive(t)
}
