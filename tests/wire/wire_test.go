// Package wire_test pins down what the fleet says to the outside and to its own
// older and newer versions: messages, stored objects and headers, as files.
//
// A difference here is a change of format. Run with -update only when it is
// meant, and say in CHANGELOG.md what becomes of what was stored before.
package wire_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/state"
)

var update = flag.Bool("update", false, "rewrite golden files")

// message is an example on file and how to read it. decode keeps what it reads
// for the test that every field is shown.
type message func(data []byte) (any, error)

// as reads a T strictly, so that a field that was renamed or dropped is missed.
func as[T any](data []byte) (any, error) {
	var v T
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(&v)
	return v, err
}

var messages = map[string]message{
	"request-minimal":      as[execution.Request], // the founding document's three names
	"request-full":         as[execution.Request],
	"request-reference":    as[execution.Request],
	"invocation-delegated": as[execution.Invocation],
	"invocation-event":     as[execution.Invocation],
	"reply-succeeded":      as[execution.Reply],
	"reply-busy":           as[execution.Reply],
	"reply-followed":       as[execution.Reply],
	"outcome-succeeded":    as[execution.Outcome],
	"outcome-cached":       as[execution.Outcome],
	"outcome-dead":         as[execution.Outcome],
	"outcome-cancelled":    as[execution.Outcome],
	"outcome-erased":       as[execution.Outcome],
	"event-succeeded":      as[execution.Event],
	"event-cached":         as[execution.Event],
	"event-retry":          as[execution.Event],
	"event-repaired":       as[execution.Event],
	"event-cancelled":      as[execution.Event],
	"event-redriven":       as[execution.Event],
	"event-started":        as[execution.Event],
	"event-returned":       as[execution.Event],
	"decision":             as[execution.Decision],
	"beat-worker":          as[heartbeat.Beat],
	"beat-bridge":          as[heartbeat.Beat],
	"record-delegated":     as[state.Record],
	"record-retry":         as[state.Record],
	"record-succeeded":     as[state.Record],
	"record-cached":        as[state.Record],
	"delegation-invoked":   as[delegation.Entry],
	"delegation-failed":    as[delegation.Entry],
	"account":              as[shares.Account],
	"share":                as[shares.Share],
	"notice":               as[notices.Record],
	"token":                as[access.Record],
	"configuration":        as[configurations.Version],
}

func TestMessagesKeepTheirForm(t *testing.T) {
	for name, decode := range messages {
		t.Run(name, func(t *testing.T) {
			v, err := decode(read(t, name))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, name, v)
		})
	}
}

// Requests come from anyone, so the one reader they meet has to take them too.
func TestRequestsAreAccepted(t *testing.T) {
	schema := requestSchema(t)
	digests := map[string]string{}
	for _, name := range []string{"request-minimal", "request-full", "request-reference"} {
		r, err := execution.Decode(read(t, name), execution.Origin{Mailbox: "ventas"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := schema.Validate(instance(t, read(t, name))); err != nil {
			t.Errorf("%s: the published schema refuses it: %v", name, err)
		}
		digests[name] = r.Digest()
	}
	// Stored outcomes hold digests: another digest for the same request makes
	// every resubmission a conflict.
	compare(t, "digests", digests)
}

func requestSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const name = "request.json"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, instance(t, execution.Schema)); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// instance is a JSON document as the schema library reads it.
func instance(t *testing.T, data []byte) any {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestInvocationIsAccepted(t *testing.T) {
	for _, name := range []string{"invocation-delegated", "invocation-event"} {
		inv, err := execution.DecodeInvocation(read(t, name), "direct")
		if err != nil {
			t.Fatal(err)
		}
		compare(t, name, inv)
	}
}

// The id of an event is how a repeated publish is recognised, also by a version
// that was upgraded in between.
func TestEventsAreMadeAsShown(t *testing.T) {
	for name, kind := range map[string]string{
		"event-succeeded": execution.EventSucceeded,
		"event-retry":     execution.EventRetry,
		"event-cancelled": execution.EventCancelled,
		"event-redriven":  execution.EventRedriven,
		"event-started":   execution.EventStarted,
		"event-returned":  execution.EventReturned,
	} {
		v, err := as[execution.Event](read(t, name))
		if err != nil {
			t.Fatal(err)
		}
		want := v.(execution.Event)
		if diff := cmp.Diff(want, execution.NewEvent(kind, path.Base(want.Source), want.Time, want.Data)); diff != "" {
			t.Errorf("%s: NewEvent (-want +got):\n%s", name, diff)
		}
	}
}

func golden(name string) string { return filepath.Join("testdata", name+".json") }

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(golden(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compare checks that v is written as the golden file says, in names, order and
// omissions.
func compare(t *testing.T, name string, v any) {
	t.Helper()
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden(name), got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(read(t, name)), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden(name), diff)
	}
}

// hidden are fields that never travel in these messages.
var hidden = []string{
	"execution.Outcome.Usage", // stands in records and events, which have their own
	// Written from version 2 on.
	"execution.Request.Version", "execution.Delegation.Version", "state.Record.Version",
	"delegation.Entry.Version", "shares.Account.Version", "shares.Share.Version", "notices.Record.Version", "access.Record.Version",
}

func TestEveryFieldIsShown(t *testing.T) {
	shown := fields{}
	for name, decode := range messages {
		v, err := decode(read(t, name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		shown.add(v)
	}
	for field, is := range shown {
		if expected := !slices.Contains(hidden, field); is != expected {
			t.Errorf("%s is in a golden file: %v, want %v", field, is, expected)
		}
	}
}
