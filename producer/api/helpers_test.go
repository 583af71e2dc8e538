package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/bus/bustest"
	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/ledger"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/state"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

// config is a correct configuration.
const config = `sage_yaml: {name: v, description: d, version: '1', author: a}
catalogs:
  c:
    name: c
    description: c
    filename: c.csv
    file_format: {type: CSV, delimiter: ",", header: true}
    fields:
      - {name: id, type: texto}
packages:
  p:
    name: p
    description: p
    file_format: {type: CSV}
    catalogs: [c]
`

// fleet is an API over real stores.
type fleet struct {
	server  *httptest.Server
	bus     bustest.Server
	js      jetstream.JetStream
	objects storage.Store
	ledger  *ledger.Ledger
	tokens  *access.Tokens
	gate    *access.Gate
}

var limits = api.Config{MaxFile: 1 << 20, MaxUpload: 4 << 20, Uploads: 4, MinRate: 16 << 10, Grace: 30 * time.Second, Presign: time.Hour}

func newFleet(t *testing.T, cfg api.Config, objects storage.Store, change ...func(*bus.Config)) *fleet {
	t.Helper()
	f := &fleet{bus: bustest.Run(t), objects: objects}
	for _, c := range change {
		c(&f.bus.Config)
	}
	f.js = f.bus.Connect(t, "test")
	if err := bus.Provision(t.Context(), f.js, f.bus.Config); err != nil {
		t.Fatal(err)
	}
	tokens, err := f.js.KeyValue(t.Context(), bus.BucketAccess)
	if err != nil {
		t.Fatal(err)
	}
	f.tokens = access.NewTokens(tokens)
	f.gate = f.gateOf(t, f.tokens, 1e6)
	if f.ledger, err = ledger.Open(t.Context(), "sqlite://"+filepath.ToSlash(filepath.Join(t.TempDir(), "ledger"))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.ledger.Close() })
	return f.serving(t, cfg, objects, f.gate)
}

// gateOf lets in as many requests of a token at once, and then hardly any.
func (f *fleet) gateOf(t *testing.T, tokens *access.Tokens, burst int) *access.Gate {
	t.Helper()
	g, err := access.NewGate(t.Context(), tokens, access.Config{Cache: time.Minute, Rate: 1e-3 * float64(burst), Burst: burst, Session: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// serving is another API of the same fleet.
func (f *fleet) serving(t *testing.T, cfg api.Config, objects storage.Store, gate access.Identifier) *fleet {
	t.Helper()
	states, err := f.js.KeyValue(t.Context(), bus.BucketState)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := producer.OpenOperator(t.Context(), f.js, objects, f.bus.Config, time.Hour, "api")
	if err != nil {
		t.Fatal(err)
	}
	handed, err := f.js.KeyValue(t.Context(), bus.BucketDelegations)
	if err != nil {
		t.Fatal(err)
	}
	presign, _ := objects.(storage.Presigner)
	a := api.New(api.Fleet{JS: f.js, Objects: objects, Presign: presign, Tracker: producer.NewTracker(f.js, state.New(f.js, states, 0), objects),
		Operator: operator, History: f.ledger, Access: gate, Delegations: delegation.New(f.js, handed, time.Hour)}, cfg)
	other := *f
	other.objects, other.server = objects, httptest.NewServer(a.Handler())
	t.Cleanup(other.server.Close)
	return &other
}

func (f *fleet) token(t *testing.T, role access.Role, mailboxes ...string) string {
	t.Helper()
	text, _, err := f.tokens.Create(t.Context(), access.Grant{Name: "ana", Role: role, Mailboxes: mailboxes}, "test")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// reply is an answer that was compared with the document.
type reply struct {
	*http.Response
	body []byte
}

func (r reply) problem(t *testing.T) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		t.Fatalf("%s: %s: %v", r.Status, r.body, err)
	}
	return p
}

func (r reply) wants(t *testing.T, status int, code fault.Code) {
	t.Helper()
	if r.StatusCode != status {
		t.Errorf("%s %s: %s %s, want %d", r.Request.Method, r.Request.URL, r.Status, r.body, status)
		return
	}
	if code == "" {
		return
	}
	if p := r.problem(t); p.Code != code || p.Status != status {
		t.Errorf("%s %s: %s, want %s", r.Request.Method, r.Request.URL, r.body, code)
	}
}

// call is one request. Its answer must be as the document says; so must the request
// be when it is not refused as malformed.
func (f *fleet) call(t *testing.T, method, path, token string, body io.Reader, header ...string) reply {
	t.Helper()
	var sent []byte
	if body != nil {
		var err error
		if sent, err = io.ReadAll(body); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, f.server.URL+path, bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := noRedirects.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got := reply{Response: answer}
	if got.body, err = io.ReadAll(answer.Body); err != nil {
		t.Fatal(err)
	}
	f.contract(t, r, sent, got)
	return got
}

var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// described is the document, read once.
var described = sync.OnceValues(func() (validator.Validator, error) {
	text, err := libopenapi.NewDocument(api.Document())
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(text)
	if len(errs) > 0 {
		return nil, fmt.Errorf("%v", errs)
	}
	return v, nil
})

// contracts are validated one after the other: the validator is not made for more.
var contracts sync.Mutex

func (f *fleet) contract(t *testing.T, r *http.Request, sent []byte, got reply) {
	t.Helper()
	contracts.Lock()
	defer contracts.Unlock()
	saw(r, got.StatusCode)
	v, err := described()
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(sent) || got.StatusCode >= 300 {
		sent = nil
	}
	if sent != nil {
		request := r.Clone(context.Background())
		request.Body = io.NopCloser(bytes.NewReader(sent))
		if ok, wrong := v.ValidateHttpRequest(request); !ok {
			t.Errorf("the document refuses what was taken: %s %s %s: %v", r.Method, r.URL.Path, sent, wrong)
		}
	}
	if r.Method == http.MethodHead || undescribed[got.StatusCode] || bytes.Contains(got.body, []byte(`"`+api.CodeNoRoute+`"`)) || strings.HasPrefix(got.Header.Get("Content-Type"), "text/") {
		return
	}
	answer := *got.Response
	answer.Body = io.NopCloser(bytes.NewReader(got.body))
	if ok, wrong := v.ValidateHttpResponse(r, &answer); !ok {
		t.Errorf("%s %s is answered by %s %s: %v", r.Method, r.URL.Path, got.Status, got.body, wrong)
	}
}

// undescribed are answers to what is no operation.
var undescribed = map[int]bool{http.StatusMethodNotAllowed: true, http.StatusTemporaryRedirect: true, http.StatusMovedPermanently: true}

// part is one of a form: a field, or a file when it has a name.
type part struct{ field, file, text, header string }

func form(parts ...part) (body io.Reader, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"`, p.field)}}
		if p.file != "" {
			h["Content-Disposition"] = []string{fmt.Sprintf(`form-data; name="%s"; filename="%s"`, p.field, p.file)}
		}
		if p.header != "" {
			name, value, _ := strings.Cut(p.header, ": ")
			h.Set(name, value)
		}
		out, _ := w.CreatePart(h)
		_, _ = io.WriteString(out, p.text)
	}
	_ = w.Close()
	return &b, w.FormDataContentType()
}

func (f *fleet) send(t *testing.T, token string, parts ...part) reply {
	t.Helper()
	body, kind := form(parts...)
	return f.call(t, "POST", "/v1/executions", token, body, "Content-Type", kind)
}

func (f *fleet) sendJSON(t *testing.T, token, path, body string) reply {
	t.Helper()
	return f.call(t, "POST", path, token, strings.NewReader(body), "Content-Type", "application/json")
}

// commit ends an execution that was accepted, with a report.
func (f *fleet) commit(t *testing.T, k execution.Key, kind execution.Kind) {
	t.Helper()
	o := execution.Outcome{Key: k, Kind: kind, Attempt: execution.NewAttemptID(1), Number: 1, Executor: execution.OnWorker, Host: "h",
		RequestDigest: strings.Repeat("0", 64), Finished: time.Now().UTC()}
	if r, err := intake.Request(t.Context(), f.objects, k.Mailbox, k.ID); err == nil {
		o.RequestDigest = r.Digest()
	}
	var files []outcome.Data
	if kind == execution.Succeeded {
		files = []outcome.Data{{Name: "report.html", Bytes: []byte("<h1>ok</h1>")}, {Name: "report.json", Bytes: []byte(`{"ok":true}`)}}
		in, err := producer.New(f.js, f.objects).Upload(t.Context(), k.Mailbox, k.ID, "c.csv", strings.NewReader("id\n1\n"))
		if err != nil {
			t.Fatal(err)
		}
		o.Inputs = []execution.File{{Name: "c.csv", Size: *in.Size, SHA256: in.SHA256, Source: in.URI}}
	} else {
		o.Fault = fault.New("TEST_DEAD", "it died")
	}
	if _, err := outcome.New(f.objects).Commit(t.Context(), o, files); err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) waiting(t *testing.T) uint64 {
	t.Helper()
	stream, err := f.js.Stream(t.Context(), bus.StreamExecutions)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

// stored counts the objects under a prefix.
func (f *fleet) stored(t *testing.T, prefix string) (n int) {
	t.Helper()
	for _, err := range f.objects.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func dirFleet(t *testing.T) *fleet {
	t.Helper()
	return newFleet(t, limits, storagetest.Dir(t))
}
