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
	fleet  string                   // of workers, or of bridges with a Lambda
	fails  []failpoint.Point        // points that fail once, on the way
	config []byte                   // pedidos when nil
	kind   execution.Kind           // SUCCEEDED when empty
	submit func(testing.TB, *run)   // Submit of the library when nil
	only   map[string]bool          // stores; all when nil
	after  func(*fleet, testing.TB) // once the crash has happened
}

// Fleets.
const (
	workers = "workers"
	bridges = "bridges"
)

var (
	ordinary = scenario{fleet: workers}
	dead     = scenario{fleet: workers, config: []byte("sage_yaml: 1\n"), kind: execution.Dead}
	retried  = scenario{fleet: workers, fails: []failpoint.Point{failpoint.Working}}
	inFiles  = scenario{fleet: workers, only: map[string]bool{"file": true}}
	byHand   = scenario{fleet: workers, submit: submitTwice}
	remote   = scenario{fleet: bridges}
	inLambda = scenario{fleet: bridges, after: (*fleet).rescue}
	// large has a result that doesn't fit into OUTCOME: the configuration itself.
	large = scenario{fleet: workers, config: append(bytes.Repeat([]byte("# Pedidos de un día\n"), 16<<10), pedidos...)}
	// unsure doesn't hear that its OUTCOME was created.
	unsure = scenario{fleet: workers, fails: []failpoint.Point{failpoint.Committed}}
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
	failpoint.Invoking:       {remote},
	failpoint.Invoked:        {remote},
	failpoint.Working:        {ordinary},
	failpoint.Worked:         {ordinary, inLambda},
	failpoint.OutputPut:      {large},
	failpoint.Committing:     {ordinary, dead},
	failpoint.FileWritten:    {inFiles},
	failpoint.FileLinked:     {inFiles},
	failpoint.Committed:      {ordinary, inLambda},
	failpoint.ReadBack:       {unsure},
	failpoint.Unlocked:       {ordinary},
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

// submitTwice uses the command, which is killed, and repeats it as its user would.
func submitTwice(t testing.TB, r *run) {
	dir := t.TempDir()
	config, data := filepath.Join(dir, "pedidos.yaml"), filepath.Join(dir, "pedidos.csv")
	for path, content := range map[string]string{config: string(pedidos), data: orders(r.rows)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := func() *process.Process {
		return process.Start(t, program("sage"), r.fleet.vars, "submit", config, data, "--mailbox", r.key.Mailbox, "--id", r.key.ID)
	}
	call := time.Now()
	if code := command().Exit(t, time.Minute); code != -1 {
		t.Errorf("%s: the command was to be killed, and ended with %d", r.key, code)
	}
	r.journal.unanswered(r.key, submitted{}, call)
	call = time.Now()
	if again := command(); again.Exit(t, time.Minute) != 0 {
		t.Errorf("%s: the repeated command said %s", r.key, again.Tail(1<<10))
	}
	r.journal.note(r.key, submitted{}, nil, call)
}

// rescue lends a fleet of bridges a worker, which takes retries back to the queue.
func (f *fleet) rescue(t testing.TB) {
	f.addWorker()
	f.revive(t)
}
