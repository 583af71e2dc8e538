package chaos

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/tests/process"
)

// commitAlone leaves an outcome of which nothing is recorded, told or buried.
func commitAlone(t testing.TB, r *run) []execution.Key {
	call, now := time.Now(), time.Now().UTC()
	_, err := r.fleet.outcomes.Commit(t.Context(), execution.Outcome{Key: r.key, Kind: execution.Dead, Attempt: execution.NewAttemptID(0), Number: 1,
		Executor: execution.OnWorker, Host: "gone", Fault: fault.New("CSV_QUOTE", "a quote is never closed"), Enqueued: now, Started: now, Finished: now}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.journal.note(r.key, submitted{}, nil, call)
	return []execution.Key{r.key}
}

// storeAlone submits with a command that dies before it publishes, and isn't repeated.
func storeAlone(t testing.TB, r *run) []execution.Key {
	config, data := r.files(t)
	call := time.Now()
	r.fleet.arm(t, failpoint.RequestStored, "kill")
	killed := process.Start(t, program("sage"), r.fleet.vars, "submit", config, data, "--mailbox", r.key.Mailbox, "--id", r.key.ID)
	if killed.Exit(t, time.Minute) != -1 {
		t.Errorf("%s: the command was to be killed, and said %s", r.key, killed.Tail(1<<10))
	}
	r.journal.note(r.key, submitted{}, nil, call)
	return []execution.Key{r.key}
}

// repaired reports whether all that belongs to the end of r is there.
func repaired(t testing.TB, r *run) bool {
	report, err := history.Check(t.Context(), r.fleet.js, r.fleet.outcomes, []execution.Key{r.key})
	if err != nil {
		t.Fatal(err)
	}
	return report.Clean()
}

// eraseTwice erases an execution that is DEAD.
func eraseTwice(t testing.TB, r *run) []execution.Key {
	r.submitAs(t, r.key)
	if !r.await(t, []execution.Key{r.key}) {
		t.Errorf("%s did not end before it was erased", r.key)
	}
	r.commandTwice(t, "erase", r.key.ID, "--mailbox", r.key.Mailbox)
	return []execution.Key{r.key}
}

// forgotten reports whether nothing is left of r but how it ended, and that it was erased.
func forgotten(t testing.TB, r *run) bool {
	f := r.fleet
	o := f.read(t, r.key)
	if o.Erased == nil || o.Sender+o.Method != "" || len(o.Inputs)+len(o.Files) > 0 {
		t.Errorf("%s: the outcome is %+v", r.key, o)
	}
	for _, prefix := range []string{intake.Prefix(r.key.Mailbox, r.key.ID) + "/", outcome.AttemptRoot + r.key.Mailbox + "/" + r.key.ID + "/"} {
		if left := f.stored(t, prefix); len(left) > 0 {
			t.Errorf("%s: left in storage %q", r.key, left)
		}
	}
	kinds := map[string]int{}
	for stream, filter := range map[string]string{bus.StreamEvents: bus.SubjectEvent(r.key.Mailbox, "*"), bus.StreamDead: bus.SubjectDead(r.key), "KV_" + bus.BucketState: bus.SubjectKey(bus.BucketState, r.key.Path())} {
		err := bus.Scan(t.Context(), f.js, stream, bus.Scope{Subject: filter}, func(msg *jetstream.RawStreamMsg) error {
			var e execution.Event
			switch {
			case stream != bus.StreamEvents && len(msg.Data) > 0:
				t.Errorf("%s: left in %s %s", r.key, stream, msg.Data)
			case json.Unmarshal(msg.Data, &e) == nil && e.Data.Key.ID == r.key.ID:
				kinds[e.Type[strings.LastIndexByte(e.Type, '.')+1:]]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(kinds) != 1 || kinds[execution.EventErased] != 1 {
		t.Errorf("%s: told is %v", r.key, kinds)
	}
	return true
}

// collectTwice collects the files of an execution that has ended.
func collectTwice(t testing.TB, r *run) []execution.Key {
	r.submitAs(t, r.key)
	if !r.await(t, []execution.Key{r.key}) {
		t.Errorf("%s did not end before its files were collected", r.key)
	}
	r.commandTwice(t, "admin", "gc")
	return []execution.Key{r.key}
}

// unstored reports whether no file of r is left, and its outcome is.
func unstored(t testing.TB, r *run) bool {
	if left := r.fleet.stored(t, intake.Prefix(r.key.Mailbox, r.key.ID)+"/"); len(left) > 0 {
		t.Errorf("%s: left in storage %q", r.key, left)
	}
	return r.fleet.read(t, r.key).Kind == execution.Succeeded
}

func (f *fleet) stored(t testing.TB, prefix string) (keys []string) {
	t.Helper()
	for info, err := range f.objects.List(t.Context(), filepath.ToSlash(prefix)) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}
