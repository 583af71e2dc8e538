package answers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sagefleet/sagefleet/producer/answers"
	"github.com/sagefleet/sagefleet/producer/notices"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/event"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/notify"
	"github.com/sagefleet/sagefleet/shared/notify/notifytest"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

var update = flag.Bool("update", false, "rewrite golden files")

// said is one post that a receiver got.
type said struct {
	ID   string
	Body answers.Answer
	raw  []byte
}

// receiver is somebody's webhook.
type receiver struct {
	*notifytest.Hook
	t *testing.T
}

func receive(t *testing.T) *receiver { return &receiver{notifytest.Webhook(t), t} }

func (r *receiver) all() (all []said) {
	for _, p := range r.Posts() {
		s := said{ID: p.ID, raw: p.Body}
		if err := json.Unmarshal(p.Body, &s.Body); err != nil {
			r.t.Errorf("heard %s: %v", p.Body, err)
		}
		all = append(all, s)
	}
	return all
}

type fleet struct {
	js      jetstream.JetStream
	objects storage.Store
	mail    *notifytest.Server
	cfg     answers.Config
}

func newFleet(t *testing.T, file string) *fleet {
	t.Helper()
	objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{js: bustest.Start(t), objects: objects, mail: notifytest.Mail(t)}
	f.cfg = answers.Config{File: filepath.Join(t.TempDir(), "answers.yaml"), Patience: time.Hour, Parallel: 8, Notify: f.mail.Config()}
	f.cfg.Notify.Private = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if err := os.WriteFile(f.cfg.File, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// answer runs an Answerer until stop is called, or the test ends.
func (f *fleet) answer(t *testing.T) (stop func()) {
	t.Helper()
	book, err := notices.Open(t.Context(), f.js, time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := answers.Open(t.Context(), f.js, f.objects, book, f.cfg, f.mail.Trust())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// end commits an outcome, and tells of it as a worker and a reconciler may: several times.
func (f *fleet) end(t *testing.T, o execution.Outcome, times int) {
	t.Helper()
	o.Version, o.Generation, o.Attempt = execution.OutcomeVersion, 1, "1-x"
	if o.Finished.IsZero() {
		o.Finished = time.Now().UTC()
	}
	report := []outcome.Data{{Name: "report.html", Bytes: []byte("<p>report of " + o.ID + "</p>")}}
	if _, err := outcome.New(f.objects).Commit(t.Context(), o, report); err != nil {
		t.Fatal(err)
	}
	for n := range times {
		data := execution.EventData{Key: o.Key, State: o.Kind.Terminal(), Token: uint64(n)}
		e := execution.NewEvent(o.Kind.EventKind(), "host", o.Finished, data)
		if err := event.New(f.js, bus.SubjectEvent).Publish(o.Kind.EventKind(), e)(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func clean(mailbox, id string) execution.Outcome {
	return execution.Outcome{Key: execution.Key{Mailbox: mailbox, ID: id}, Kind: execution.Succeeded, Sender: "ana@example.com",
		Summary: &execution.Summary{Status: "OK", Records: 10}, Inputs: []execution.File{{Name: "lunes.csv"}}}
}

func (f *fleet) record(t *testing.T, key string) (r notices.Record) {
	t.Helper()
	kv, err := f.js.KeyValue(t.Context(), bus.BucketNotices)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := kv.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(entry.Value(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// settled waits until every event that was published is acknowledged. What the consumer
// says of its own backlog wouldn't do: it may not yet have heard of the last ones.
func (f *fleet) settled(t *testing.T) {
	t.Helper()
	eventually(t, "all events are settled", func() bool {
		s, err := f.js.Stream(t.Context(), bus.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		c, err := f.js.Consumer(t.Context(), bus.StreamEvents, bus.ConsumerEnded)
		if err != nil {
			t.Fatal(err)
		}
		return c.CachedInfo().AckFloor.Stream >= s.CachedInfo().State.LastSeq
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func webhookTo(url string) string {
	return fmt.Sprintf("mailboxes: {ventas: {webhook: {url: %q, secret: %s}}}", url, notifytest.HookSecret)
}

// However often an end is told, and however many answer, its sender hears of it once.
func TestEachEndIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhookTo(r.URL))
	f.answer(t)
	f.answer(t)
	const ends = 20
	for n := range ends {
		f.end(t, clean("ventas", fmt.Sprint("e", n)), 3)
	}
	f.end(t, clean("compras", "other"), 1)
	f.settled(t)
	heard := map[string]int{}
	for _, s := range r.all() {
		heard[s.Body.ID]++
		if s.Body.Type != "execution.succeeded" || s.Body.Summary == nil || s.Body.Report != "/v1/executions/ventas/"+s.Body.ID+"/report.json" {
			t.Errorf("heard %+v", s)
		}
	}
	for id, n := range heard {
		if n != 1 || id == "other" {
			t.Errorf("%s was heard %d times", id, n)
		}
	}
	if len(heard) != ends {
		t.Errorf("%d of %d were heard", len(heard), ends)
	}
}

// A process that dies after sending leaves a claim. Whoever takes it over repeats the
// answer, under the same ID.
func TestWhatACrashRepeatsHasTheSameID(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhookTo(r.URL))
	f.answer(t)
	f.end(t, clean("ventas", "e1"), 1)
	eventually(t, "it is heard", func() bool { return len(r.all()) == 1 })
	f.settled(t)
	const key = "answer.ventas.e1.1.webhook"
	record := f.record(t, key)
	if record.Standing != notices.Sent {
		t.Fatalf("%+v", record)
	}
	record.Standing, record.At = notices.Sending, time.Now().Add(-2*time.Minute) // as the dead process left it
	data, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := f.js.KeyValue(t.Context(), bus.BucketNotices)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), key, data); err != nil {
		t.Fatal(err)
	}
	e := execution.NewEvent("succeeded", "host", time.Now(), execution.EventData{Key: execution.Key{Mailbox: "ventas", ID: "e1", Generation: 1}, Token: 9})
	if err := event.New(f.js, bus.SubjectEvent).Publish("succeeded", e)(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is heard again", func() bool { return len(r.all()) == 2 })
	if all := r.all(); all[0].ID != all[1].ID || all[0].ID == "" {
		t.Errorf("IDs %q and %q", all[0].ID, all[1].ID)
	}
}

func TestWhatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	r := receive(t)
	r.Fail(1)
	f := newFleet(t, webhookTo(r.URL))
	f.answer(t)
	f.end(t, clean("ventas", "again"), 1)
	f.settled(t)
	all := r.all()
	if len(all) != 2 || all[0].ID != all[1].ID {
		t.Errorf("heard %+v", all)
	}
	if record := f.record(t, "answer.ventas.again.1.webhook"); record.Standing != notices.Sent || record.Tries != 2 {
		t.Errorf("%+v", record)
	}
}

func TestWhatFailsTooLongIsGivenUp(t *testing.T) {
	t.Parallel()
	r := receive(t)
	r.Fail(1000)
	f := newFleet(t, webhookTo(r.URL))
	f.cfg.Patience = time.Second
	f.answer(t)
	f.end(t, clean("ventas", "e1"), 1)
	f.settled(t)
	record := f.record(t, "answer.ventas.e1.1.webhook")
	if record.Standing != notices.GivenUp || record.Fault == nil || len(r.all()) != record.Tries || record.Tries < 2 {
		t.Errorf("%+v, heard %d times", record, len(r.all()))
	}
}

// Who turns answers on writes to nobody about what is over, and neither does a server
// that was restored and tells it all again.
func TestWhatEndedBeforeIsNotAnswered(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhookTo(r.URL))
	f.answer(t)
	late := clean("ventas", "late")
	late.Finished = time.Now().Add(-time.Hour)
	f.end(t, late, 1)
	f.settled(t)
	if n := len(r.all()); n != 0 {
		t.Errorf("what was over before was answered %d times", n)
	}
}

func TestMailAnswers(t *testing.T) {
	t.Parallel()
	f := newFleet(t, `
console: https://sage.example.com/
mailboxes:
  ventas: {email: {to: [ventas@example.org], sender_domains: [example.com], attach: true}}
  sales: {language: en, email: {sender_domains: [example.com]}}
`)
	f.answer(t)
	f.end(t, clean("ventas", "e1"), 2)
	f.settled(t)
	letters := f.mail.Letters()
	var to []string
	ids := map[string]bool{}
	for _, l := range letters {
		to = append(to, strings.Join(l.To, " "))
		ids[regexp.MustCompile(`Message-ID: (\S+)`).FindString(l.Text)] = true
	}
	if slices.Sort(to); !slices.Equal(to, []string{"ana@example.com", "ventas@example.org"}) || len(ids) != 2 {
		t.Fatalf("got %+v", letters)
	}
	for _, want := range []string{"https://sage.example.com/executions/ventas/e1", "10 registros, 0 errores", "lunes.csv", "report.html",
		"=?UTF-8?q?[ventas]_Informe_de_validaci=C3=B3n:_e1:_sin_errores?="} {
		if !strings.Contains(letters[0].Text, want) {
			t.Errorf("the letter lacks %q:\n%s", want, letters[0].Text)
		}
	}
	dead := clean("sales", "e2")
	dead.Kind, dead.Summary, dead.Fault = execution.Dead, nil, fault.New("INPUT_UNREADABLE", "no such sheet")
	f.end(t, dead, 1)
	stranger := clean("sales", "e3")
	stranger.Sender = "victim@elsewhere.example"
	f.end(t, stranger, 1)
	f.settled(t)
	letters = f.mail.Letters()
	if len(letters) != 3 || !strings.Contains(letters[2].Text, "[sales] Your files could not be validated: e2") ||
		!strings.Contains(letters[2].Text, "INPUT_UNREADABLE") || strings.Contains(letters[2].Text, "report.html") {
		t.Errorf("got %+v", letters)
	}
}

// One address that the mail server refuses keeps nothing from the others.
func TestARefusedRecipientIsAlone(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "mailboxes: {ventas: {email: {to: [gone@example.org, ventas@example.org]}}}")
	f.mail.RefuseRecipient("gone@example.org")
	f.answer(t)
	f.end(t, clean("ventas", "e1"), 1)
	f.settled(t)
	if letters := f.mail.Letters(); len(letters) != 1 || letters[0].To[0] != "ventas@example.org" {
		t.Errorf("got %+v", letters)
	}
	standings := map[string]string{}
	for _, to := range []string{"gone", "ventas"} {
		standings[to] = f.record(t, "answer.ventas.e1.1.email."+notify.ID(to+"@example.org")).Standing
	}
	if standings["gone"] != notices.GivenUp || standings["ventas"] != notices.Sent {
		t.Errorf("%v", standings)
	}
}

// Who reads Spanish is told in Spanish what went wrong, and the particulars as they are.
func TestFaultsAreSaidInSpanish(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "mailboxes: {ventas: {email: {to: [ventas@example.org]}}}")
	f.answer(t)
	dead := clean("ventas", "e1")
	dead.Kind, dead.Summary, dead.Fault = execution.Dead, nil, fault.New("ZIP_ENCRYPTED", "a.csv is encrypted")
	f.end(t, dead, 1)
	f.settled(t)
	letters := f.mail.Letters()
	if len(letters) != 1 {
		t.Fatalf("got %+v", letters)
	}
	text := strings.ReplaceAll(strings.ReplaceAll(letters[0].Text, "=\r\n", ""), "=C3=A9", "é")
	for _, want := range []string{"Motivo: El ZIP est=C3=A1 protegido con una contrase=C3=B1a [ZIP_ENCRYPTED]", "inglés: a.csv is encrypted"} {
		if !strings.Contains(text, want) {
			t.Errorf("the letter lacks %q:\n%s", want, letters[0].Text)
		}
	}
}

// What waits for somebody else doesn't make the first failure wait for long: tries are
// counted, and not deliveries.
func TestWaitingForOthersIsNoTry(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, webhookTo(r.URL))
	const key = "answer.ventas.e1.1.webhook"
	held, err := json.Marshal(notices.Record{Standing: notices.Sending, At: time.Now().Add(-54 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	kv, err := f.js.KeyValue(t.Context(), bus.BucketNotices)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), key, held); err != nil { // by another process, for 6 s
		t.Fatal(err)
	}
	r.Fail(1)
	f.answer(t)
	f.end(t, clean("ventas", "e1"), 1)
	eventually(t, "it was tried", func() bool { return len(r.all()) == 1 })
	eventually(t, "that is noted", func() bool { return f.record(t, key).Standing != notices.Sending })
	if record := f.record(t, key); record.Tries != 1 || time.Until(record.Again) > 3*time.Second {
		t.Errorf("%+v is tried again in %v", record, time.Until(record.Again))
	}
	f.settled(t)
	if len(r.all()) != 2 {
		t.Errorf("heard %+v", r.all())
	}
}

// The body of a webhook is what its schema says.
func TestAnswersAreAsDocumented(t *testing.T) {
	t.Parallel()
	r := receive(t)
	f := newFleet(t, "console: https://sage.example.com\n"+webhookTo(r.URL))
	f.answer(t)
	dead := clean("ventas", "dead")
	dead.Kind, dead.Summary, dead.Fault = execution.Dead, nil, fault.New("ZIP_ENCRYPTED", "a.csv is encrypted").Permanent()
	begun := time.Now().UTC().Truncate(time.Second).Add(2 * time.Second) // not before the mailbox was answered
	good := clean("ventas", "good")
	good.Finished, dead.Finished = begun, begun
	f.end(t, good, 1)
	f.end(t, dead, 1)
	f.settled(t)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(answers.Schema))
	if err == nil {
		err = compiler.AddResource("answer.json", schema)
	}
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("answer.json")
	if err != nil {
		t.Fatal(err)
	}
	all := r.all()
	slices.SortFunc(all, func(a, b said) int { return strings.Compare(a.Body.ID, b.Body.ID) })
	var got bytes.Buffer
	for _, s := range all {
		body, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(body); err != nil {
			t.Errorf("%s: %v", s.raw, err)
		}
		fields := body.(map[string]any)
		for name := range fields {
			if _, ok := schema.(map[string]any)["properties"].(map[string]any)[name]; !ok {
				t.Errorf("the schema doesn't know %s", name)
			}
		}
		fields["finished"] = "2026-12-01T10:00:00.000Z"
		text, err := json.MarshalIndent(fields, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(text, '\n'))
	}
	const golden = "testdata/answers.golden"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%v: webhooks carry otherwise than %s has it; -update, and mind who reads them:\n%s", err, golden, got.Bytes())
	}
}

func TestPatienceEndsBeforeTheEvents(t *testing.T) {
	t.Parallel()
	cfg := answers.Config{File: "x", Patience: 24 * time.Hour, Parallel: 1, Notify: notify.Config{Try: time.Minute}}
	for events, fine := range map[time.Duration]bool{0: true, 168 * time.Hour: true, 24 * time.Hour: false, time.Hour: false} {
		if err := cfg.Validate(events); (err == nil) != fine {
			t.Errorf("events kept %v: %v", events, err)
		}
	}
}

func TestFilesThatCanNotBeUsed(t *testing.T) {
	t.Parallel()
	mails := notifytest.Mail(t).Config()
	for text, field := range map[string]string{
		"mailboxes: {ventas: {emial: {}}}":                                                          "emial",
		"mailboxes: {'ven tas': {}}":                                                                "mailbox",
		"mailboxes: {ventas: {language: fr}}":                                                       "language",
		"mailboxes: {ventas: {email: {}}}":                                                          "email",
		"mailboxes: {ventas: {email: {to: [nobody]}}}":                                              "email.to",
		"mailboxes: {ventas: {email: {sender_domains: ['*']}}}":                                     "sender_domains",
		"mailboxes: {ventas: {webhook: {url: 'https://example.com'}}}":                              "webhook.secret",
		"mailboxes: {ventas: {webhook: {url: 'file:///x', secret: " + notifytest.HookSecret + "}}}": "file:///x",
		"console: sage": "console",
	} {
		file := filepath.Join(t.TempDir(), "answers.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := answers.Config{File: file, Notify: mails}.Read()
		if err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), notifytest.HookSecret) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
