package e2e

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/spec"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/tests/process"
)

const (
	maxAttempts = 3
	anyID       = "*"
)

// TestBadInput publishes what a fleet must not choke on. Each case has a mailbox of
// its own; all have one worker, which is well at the end.
func TestBadInput(t *testing.T) {
	f := newFleet(t, directory(t), map[string]string{
		"MAX_ATTEMPTS": strconv.Itoa(maxAttempts), "BACKOFF_BASE": "100ms", "SLOTS": "2",
	})
	worker := f.startWorker(t)
	cases := map[string]func(*testing.T, *fleet, string){
		"malformed JSON":            malformedJSON,
		"unreadable YAML":           unreadableYAML,
		"missing input":             missingInput,
		"id that is a path":         pathAsID,
		"input outside the mailbox": forbiddenInput,
		"id used for other content": conflict,
	}
	n := 0
	for name, run := range cases {
		n++
		t.Run(name, func(t *testing.T) { run(t, f, fmt.Sprintf("casilla-%d", n)) })
	}
	f.settled(t, 10*time.Second)
	if !worker.Running() {
		t.Errorf("%s ended", worker)
	}
}

// publish publishes as `nats pub` does: bytes on a subject, with no headers.
func (f *fleet) publish(t testing.TB, mailbox string, data []byte) {
	t.Helper()
	if err := f.clients.Publish(bus.SubjectMailbox(mailbox), data); err != nil {
		t.Fatal(err)
	}
	if err := f.clients.Flush(); err != nil {
		t.Fatal(err)
	}
}

// deadLetter waits for the first dead letter of a mailbox, under any id or the given
// one.
func (f *fleet) deadLetter(t testing.TB, mailbox, id string) (found queue.Letter) {
	t.Helper()
	process.Eventually(t, 20*time.Second, "the dead letter of "+mailbox, func() bool {
		for letter, err := range queue.Letters(t.Context(), f.js, queue.LetterFilter{Mailbox: mailbox}) {
			if err != nil {
				t.Fatal(err)
			}
			if found = letter; id == anyID || letter.Name == id {
				return true
			}
		}
		return false
	})
	return found
}

// wantRefused checks that the letter has the bytes as they were published and says
// why they were refused.
func wantRefused(t *testing.T, letter queue.Letter, data []byte, code fault.Code) {
	t.Helper()
	if got := string(letter.Data); got != string(data) {
		t.Errorf("the dead letter holds %q, want the bytes as published: %q", got, data)
	}
	if letter.Code != string(code) {
		t.Errorf("refused with %s (%s), want %s", letter.Code, letter.Reason, code)
	}
}

// wantNoOutcome checks that nothing was committed for a mailbox.
func (f *fleet) wantNoOutcome(t *testing.T, mailbox string) {
	t.Helper()
	for o, err := range f.outcomes.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Mailbox == mailbox {
			t.Errorf("%s has the outcome %s", o.Key, o.Kind)
		}
	}
}

func malformedJSON(t *testing.T, f *fleet, mailbox string) {
	data := []byte("{\"yaml_config\": \"sage_yaml\", \x00\xff")
	f.publish(t, mailbox, data)
	wantRefused(t, f.deadLetter(t, mailbox, anyID), data, execution.CodeRequestJSON)
	f.wantNoOutcome(t, mailbox)
}

func unreadableYAML(t *testing.T, f *fleet, mailbox string) {
	tests := map[string]struct {
		config       string
		code         fault.Code
		line, column int
	}{
		"syntax":    {"sage_yaml:\n  name: Pedidos\n  author: \"sin cerrar\ncatalogs: {}\n", spec.CodeSyntax, 3, 3},
		"structure": {strings.Replace(string(pedidos), "type: fecha", "type: fechas", 1), spec.CodeUnknownType, 23, 15},
	}
	for id, tt := range tests {
		s := submission(mailbox, id, orders(3, 0))
		s.Config = []byte(tt.config)
		if _, err := f.producer.Submit(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		o := f.outcome(t, mailbox, id)
		if o.Kind != execution.Dead || o.Number != 1 || o.Fault == nil {
			t.Fatalf("%s ended %s on attempt %d with %v, want DEAD on the first", id, o.Kind, o.Number, o.Fault)
		}
		if o.Fault.Code != tt.code || o.Fault.Line != tt.line || o.Fault.Column != tt.column {
			t.Errorf("%s: fault %v, want %s at %d:%d", id, o.Fault, tt.code, tt.line, tt.column)
		}
		if got := f.deadLetter(t, mailbox, id).Code; got != string(tt.code) {
			t.Errorf("%s: the dead letter says %s, want %s", id, got, tt.code)
		}
	}
}

func missingInput(t *testing.T, f *fleet, mailbox string) {
	events := f.follow(t)
	r := f.request(mailbox, "missing", storage.Join(f.objects.URL(), "inputs/"+mailbox+"/nowhere.csv"))
	f.publish(t, mailbox, encode(t, r))
	o := f.outcome(t, mailbox, "missing")
	if o.Kind != execution.Dead || o.Fault == nil || o.Fault.Code != guard.CodeExhausted {
		t.Fatalf("ended %s with %v, want DEAD with %s", o.Kind, o.Fault, guard.CodeExhausted)
	}
	if !strings.Contains(o.Fault.Message, string(intake.CodeMissing)) {
		t.Errorf("fault %q does not say why the attempts failed: %s", o.Fault.Message, intake.CodeMissing)
	}
	if got := f.deadLetter(t, mailbox, "missing").Code; got != string(guard.CodeExhausted) {
		t.Errorf("the dead letter says %s", got)
	}
	var starts, retries, ends int
	process.Until(5*time.Second, func() bool {
		starts, retries, ends = events.life(o.Key)
		return ends > 0
	})
	if starts != maxAttempts || retries != maxAttempts-1 || ends != 1 {
		t.Errorf("%d starts, %d retries and %d ends were told of, want %d, %d and 1", starts, retries, ends, maxAttempts, maxAttempts-1)
	}
}

func pathAsID(t *testing.T, f *fleet, mailbox string) {
	const id = "../../x"
	if _, err := f.producer.Submit(t.Context(), submission(mailbox, id, orders(3, 0))); fault.CodeOf(err) != execution.CodeID {
		t.Errorf("Submit: %v, want %s", err, execution.CodeID)
	}
	data := encode(t, f.request(mailbox, id, "file:///a.csv"))
	f.publish(t, mailbox, data)
	wantRefused(t, f.deadLetter(t, mailbox, anyID), data, execution.CodeID)
	f.wantNoOutcome(t, mailbox)
}

func forbiddenInput(t *testing.T, f *fleet, mailbox string) {
	const secret = "inputs/otra/secreto.csv"
	if err := f.objects.Create(t.Context(), secret, orders(3, 0)); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		uri  string
		code fault.Code
	}{
		"host":    {"file:///etc/passwd", intake.CodeForbidden},
		"mailbox": {storage.Join(f.objects.URL(), secret), intake.CodeForbidden},
		"climb":   {storage.Join(f.objects.URL(), "inputs/"+mailbox+"/../otra/secreto.csv"), storage.CodeKeyInvalid},
		"network": {"s3://otra/secreto.csv", intake.CodeForbidden},
	}
	for id, tt := range tests {
		f.publish(t, mailbox, encode(t, f.request(mailbox, id, tt.uri)))
	}
	for id, tt := range tests {
		o := f.outcome(t, mailbox, id)
		if o.Kind != execution.Dead || o.Number != 1 || o.Fault == nil || o.Fault.Code != tt.code {
			t.Errorf("%s ended %s on attempt %d with %v, want DEAD on the first with %s", tt.uri, o.Kind, o.Number, o.Fault, tt.code)
		}
	}
}

func conflict(t *testing.T, f *fleet, mailbox string) {
	const id = "pedido"
	first, err := f.producer.Submit(t.Context(), submission(mailbox, id, orders(3, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if o := f.outcome(t, mailbox, id); o.Kind != execution.Succeeded {
		t.Fatalf("ended %s: %v", o.Kind, o.Fault)
	}
	if _, err := f.producer.Submit(t.Context(), submission(mailbox, id, orders(4, 0))); fault.CodeOf(err) != execution.CodeConflict {
		t.Errorf("Submit: %v, want %s", err, execution.CodeConflict)
	}
	other := first
	other.Sender = "otro"
	data := encode(t, other)
	f.publish(t, mailbox, data)
	wantRefused(t, f.deadLetter(t, mailbox, anyID), data, execution.CodeConflict)
	if o := f.outcome(t, mailbox, id); o.RequestDigest != first.Digest() {
		t.Errorf("the outcome answers %s now, not the first request %s", o.RequestDigest, first.Digest())
	}
}

// request asks for one file at uri.
func (f *fleet) request(mailbox, id, uri string) execution.Request {
	return execution.Request{ID: id, Mailbox: mailbox, Config: execution.Config{Text: string(pedidos)},
		Inputs: []execution.Input{{URI: uri, Filename: "pedidos.csv"}}}
}

func encode(t testing.TB, r execution.Request) []byte {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestStorageDown lets the store refuse everything for a while: no attempt is
// charged, nothing is acknowledged, and the work is done when the store is back.
func TestStorageDown(t *testing.T) {
	store := newBucket(t)
	f := newFleet(t, store.url, map[string]string{"MAX_ATTEMPTS": "1"})
	worker := f.startWorker(t)
	s := submission("pedidos", "outage", orders(3, 1))
	r, err := f.producer.Store(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	store.down.Store(true)
	f.publish(t, "pedidos", encode(t, r))
	const tries = 5 // more than the SDK makes of one call
	process.Eventually(t, 20*time.Second, "the worker asks the store again and again", func() bool { return store.refused.Load() >= tries })
	if b := f.backlog(t); b.Waiting+uint64(b.InFlight)+b.Later != 1 || b.Dead != 0 {
		t.Errorf("backlog %+v, want the one message still there and no dead letter", b)
	}
	if !worker.Running() {
		t.Fatalf("%s ended", worker)
	}
	store.down.Store(false)
	o := f.outcome(t, "pedidos", "outage")
	if o.Kind != execution.Succeeded || o.Number != 1 {
		t.Errorf("ended %s on attempt %d: %v; want SUCCEEDED on the first", o.Kind, o.Number, o.Fault)
	}
	f.settled(t, 10*time.Second)
}
