package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

// TestMain fails when the tests have not seen each answer that the document has.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if only := flag.Lookup("test.run").Value.String(); code == 0 && only == "" && flag.Lookup("test.list").Value.String() == "" {
		for _, missing := range unseen() {
			fmt.Println("no test saw", missing)
			code = 1
		}
	}
	os.Exit(code)
}

// seen are the answers there were, such as "GET /v1/executions 200"; contracts guards it.
var seen = map[string]bool{}

// patterns finds the route of a request.
var patterns = func() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range api.Routes() {
		mux.Handle(r.Method+" "+r.Path, http.NotFoundHandler())
	}
	return mux
}()

func saw(r *http.Request, status int) {
	if _, pattern := patterns.Handler(r); pattern != "" && r.Method != http.MethodHead {
		seen[pattern+" "+strconv.Itoa(status)] = true
	}
}

// unseen are the answers that are documented and were not given.
func unseen() (missing []string) {
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(api.Document(), &document); err != nil {
		return []string{err.Error()}
	}
	for path, operations := range document.Paths {
		for method, text := range operations {
			var operation struct{ Responses map[string]any }
			if method == "parameters" {
				continue
			}
			if err := json.Unmarshal(text, &operation); err != nil {
				return []string{err.Error()}
			}
			for status := range operation.Responses {
				if answer := strings.ToUpper(method) + " " + path + " " + status; !seen[answer] {
					missing = append(missing, answer)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// visit calls every route, with a body where one is taken.
func (f *fleet) visit(t *testing.T, token string, look func(t *testing.T, r api.Route, got reply)) {
	t.Helper()
	for _, r := range api.Routes() {
		if r.Public {
			continue
		}
		path := strings.NewReplacer("{mailbox}", "ventas", "{id}", "e1", "{name}", "data.csv", "{reference}", "diaria").Replace(r.Path)
		var body io.Reader
		kind := "application/json"
		switch {
		case r.Method == "GET":
		case r.Path == "/v1/executions":
			body, kind = form(part{field: "configuration", text: config}, part{field: "file", file: "c.csv", text: data})
		case strings.HasSuffix(r.Path, "/uploads"):
			body = strings.NewReader(`{"sha256":"` + hexSum(data) + `","size":5}`)
		default:
			body = strings.NewReader("{}")
		}
		look(t, r, f.call(t, r.Method, path, token, body, "Content-Type", kind))
	}
}

// Whoever asks too often is told when to come again.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Operator, "ventas")
	limited := f.serving(t, limits, f.objects, f.gateOf(t, f.tokens, 1))
	limited.call(t, "GET", "/v1/executions", token, nil).wants(t, http.StatusOK, "")
	limited.visit(t, token, func(t *testing.T, _ api.Route, got reply) {
		got.wants(t, http.StatusTooManyRequests, access.CodeRate)
		if after, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || after < 1 {
			t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
		}
	})
}

// While nobody can say who asks, nobody is let in.
func TestNobodyKnowsWhoAsks(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Operator, "ventas")
	js := f.bus.Connect(t, "test")
	kv, err := js.KeyValue(t.Context(), bus.BucketAccess)
	if err != nil {
		t.Fatal(err)
	}
	cut := f.serving(t, limits, f.objects, f.gateOf(t, access.NewTokens(kv), 1000))
	js.Conn().Close()
	cut.visit(t, token, func(t *testing.T, _ api.Route, got reply) {
		got.wants(t, http.StatusServiceUnavailable, access.CodeUnavailable)
		if got.Header.Get("Retry-After") == "" {
			t.Error("it doesn't say when to come again")
		}
	})
}

// brokenStore fails in a way that nobody has foreseen.
type brokenStore struct{ storage.Store }

var errBroken = errors.New("hunter2 is broken at /srv/secret")

func (brokenStore) Put(_ context.Context, _ string, r io.Reader) (storage.Info, error) {
	_, _ = io.Copy(io.Discard, r)
	return storage.Info{}, errBroken
}
func (brokenStore) Create(context.Context, string, []byte) error       { return errBroken }
func (brokenStore) Get(context.Context, string) (io.ReadCloser, error) { return nil, errBroken }
func (brokenStore) Stat(context.Context, string) (storage.Info, error) {
	return storage.Info{}, errBroken
}
func (brokenStore) Delete(context.Context, string) error { return errBroken }
func (brokenStore) List(context.Context, string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) { yield(storage.Info{}, errBroken) }
}
func (brokenStore) PresignPut(context.Context, string, string, int64, time.Duration) (storage.Presigned, error) {
	return storage.Presigned{}, errBroken
}

// What breaks inside is told of as that, and nothing more: the rest is in the log.
func TestWhatBreaksIsNotShown(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Operator, "ventas")
	_ = f.ledger.Close()
	f.serving(t, limits, brokenStore{f.objects}, f.gate).visit(t, token, func(t *testing.T, r api.Route, got reply) {
		got.wants(t, http.StatusInternalServerError, api.CodeInternal)
		for _, secret := range []string{"hunter2", "/srv", "sql"} {
			if strings.Contains(string(got.body), secret) {
				t.Errorf("%s %s shows %s", r.Method, r.Path, got.body)
			}
		}
	})
}

// A body that does not come is waited for no longer than its grace.
func TestSlowBodiesAreCut(t *testing.T) {
	t.Parallel()
	cfg := limits
	cfg.Grace = 50 * time.Millisecond
	f := newFleet(t, cfg, storagetest.S3(t))
	token := f.token(t, access.Operator, "ventas")
	for _, r := range api.Routes() {
		if r.Method != "POST" {
			continue
		}
		path := strings.NewReplacer("{mailbox}", "ventas", "{id}", "e1").Replace(r.Path)
		body, end := io.Pipe()
		request, err := http.NewRequestWithContext(t.Context(), r.Method, f.server.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		got := reply{Response: answer}
		got.body, _ = io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		_ = end.Close()
		got.wants(t, http.StatusRequestTimeout, api.CodeTooSlow)
		f.contract(t, request, nil, got)
	}
}

// Every operation that takes a body refuses one that is too large, of another type or
// no JSON; and every one that names things refuses what is no name.
func TestRequestsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	f := newFleet(t, limits, storagetest.S3(t))
	token := f.token(t, access.Operator, "ventas")
	const e1 = "/v1/executions/ventas/e1"
	for _, r := range api.Routes() {
		path := strings.NewReplacer("{mailbox}", "ventas", "{id}", "e1").Replace(r.Path)
		if r.Method == "POST" {
			f.sendJSON(t, token, path, `{`).wants(t, 400, execution.CodeRequestJSON)
			f.sendJSON(t, token, path, `{"x":"`+strings.Repeat("x", 5<<20)+`"}`).wants(t, 413, api.CodeTooLarge)
			f.call(t, "POST", path, token, strings.NewReader("x"), "Content-Type", "text/plain").wants(t, 415, api.CodeMediaType)
		}
		if strings.Contains(r.Path, "{id}") {
			named := strings.NewReplacer("{mailbox}", "ventas", "{id}", "a.b", "{name}", "data.csv").Replace(r.Path)
			f.call(t, r.Method, named, token, nil).wants(t, 422, execution.CodeID)
		}
		if strings.Contains(r.Path, "{mailbox}") {
			named := strings.NewReplacer("{mailbox}", "a.b", "{id}", "e1", "{name}", "data.csv", "{reference}", "x").Replace(r.Path)
			f.call(t, r.Method, named, token, nil).wants(t, 422, execution.CodeMailbox)
		}
	}
	f.call(t, "GET", "/v1/executions?mailbox=a.b", token, nil).wants(t, 422, execution.CodeMailbox)
	f.sendJSON(t, token, e1+"/uploads", `{"sha256":"x","size":1}`).wants(t, 422, execution.CodeRequestField)
	f.call(t, "GET", "/v1/configurations/ventas/none", token, nil).wants(t, 404, api.CodeNoConfiguration)
}

// What has ended, hasn't, or is gone, is answered alike by all that reads it.
func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Operator, "ventas")
	for _, id := range []string{"waits", "erased"} {
		accepted(t, f.send(t, token, part{field: "execution_id", text: id}, part{field: "configuration", text: config}, part{field: "file", file: "c.csv", text: data}))
	}
	k := execution.Key{Mailbox: "ventas", ID: "erased", Generation: 1}
	f.commit(t, k, execution.Succeeded)
	if _, err := outcome.New(f.objects).Erase(t.Context(), k, execution.Erasure{At: time.Now(), By: "ana", Reason: "asked for"}); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"/report.html", "/report.json", "/files", "/files/data.csv"} {
		read := func(id string) reply { return f.call(t, "GET", "/v1/executions/ventas/"+id+what, token, nil) }
		if r := read("nobody"); r.StatusCode != 404 {
			t.Errorf("%s: %s", what, r.Status)
		}
		read("waits").wants(t, 409, api.CodeNotEnded)
		if r := read("erased"); r.StatusCode != 410 {
			t.Errorf("%s: %s %s", what, r.Status, r.body)
		}
		f.call(t, "GET", "/v1/executions/ventas/waits"+what+"?generation=0", token, nil).wants(t, 400, api.CodeQuery)
	}
}
