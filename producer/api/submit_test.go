package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/producer/access"
	"github.com/sagefleet/sagefleet/producer/api"
	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/shared/storage/storagetest"
)

const data = "id\n1\n"

func accepted(t *testing.T, r reply) api.Accepted {
	t.Helper()
	r.wants(t, http.StatusAccepted, "")
	var a api.Accepted
	if err := json.Unmarshal(r.body, &a); err != nil {
		t.Fatal(err)
	}
	if want := "/v1/executions/" + a.Mailbox + "/" + a.ID; r.Header.Get("Location") != want {
		t.Errorf("Location is %q, want %q", r.Header.Get("Location"), want)
	}
	return a
}

func TestFilesAreAccepted(t *testing.T) {
	storagetest.Each(t, func(t *testing.T, objects storage.Store) {
		f := newFleet(t, limits, objects)
		token := f.token(t, access.Submitter, "ventas")
		sum := sha256.Sum256([]byte(data))
		a := accepted(t, f.send(t, token, part{field: "mailbox", text: "ventas"}, part{field: "execution_id", text: "e1"},
			part{field: "sender", text: "Ana"}, part{field: "deadline", text: "2030-01-31T18:00:00Z"},
			part{field: "file", file: "c.csv", text: data, header: "Content-Digest: sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"},
			part{field: "configuration", file: "c.yaml", text: config}))
		if f.waiting(t) != 1 || a.ID != "e1" || len(a.Inputs) != 1 || a.Inputs[0].SHA256 != hex.EncodeToString(sum[:]) {
			t.Fatalf("%+v, %d wait", a, f.waiting(t))
		}
		r, err := intake.Request(t.Context(), objects, "ventas", "e1")
		if err != nil || r.Config.Text != config || r.Sender != "Ana" || r.Method != "api" || r.Deadline.IsZero() {
			t.Errorf("stored %+v, %v", r, err)
		}
		body, err := objects.Get(t.Context(), strings.TrimPrefix(a.Inputs[0].URI, storage.Join(objects.URL(), "")))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = body.Close() }()
		if text, err := io.ReadAll(body); err != nil || string(text) != data {
			t.Errorf("stored %q, %v", text, err)
		}
	})
}

func TestRepetitionIsHarmless(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token, other := f.token(t, access.Submitter, "ventas"), f.token(t, access.Submitter, "ventas")
	send := func(token, content string) reply {
		body, kind := form(part{field: "configuration", text: config}, part{field: "file", file: "c.csv", text: content})
		return f.call(t, "POST", "/v1/executions", token, body, "Content-Type", kind, "Idempotency-Key", "monday")
	}
	first := accepted(t, send(token, data))
	if again := accepted(t, send(token, data)); again.ID != first.ID || again.Inputs[0].URI != first.Inputs[0].URI {
		t.Errorf("%+v, then %+v", first, again)
	}
	if n := f.stored(t, "inputs/"); n != 2 {
		t.Errorf("%d objects are stored, want the file and the request", n)
	}
	send(token, "id\n2\n").wants(t, http.StatusConflict, execution.CodeConflict)
	if n := f.stored(t, "inputs/"); n != 2 {
		t.Errorf("%d objects are stored after a conflict", n)
	}
	if a := accepted(t, send(other, data)); a.ID == first.ID {
		t.Error("another caller's key is the same")
	}
}

func TestConfigurationsByName(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	store := configurations.New(f.objects)
	for n := range 2 {
		if _, _, _, err := store.Put(t.Context(), "ventas", "diaria", fmt.Appendf(nil, "%s# %d\n", config, n), "ana", ""); err != nil {
			t.Fatal(err)
		}
	}
	token := f.token(t, access.Submitter, "ventas", "compras")
	for name, want := range map[string]string{"diaria": "diaria@2", "diaria@1": "diaria@1"} {
		a := accepted(t, f.send(t, token, part{field: "mailbox", text: "ventas"}, part{field: "configuration", text: name}, part{field: "file", file: "c.csv", text: data}))
		r, err := intake.Request(t.Context(), f.objects, "ventas", a.ID)
		if err != nil || a.Configuration != want || !strings.HasPrefix(r.Config.Text, config) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
		accepted(t, f.sendJSON(t, token, "/v1/executions", fmt.Sprintf(`{"mailbox":"ventas","configuration":%q,"input_files":[{"uri":%q,"filename":"c.csv"}]}`, name, a.Inputs[0].URI)))
	}
	f.send(t, token, part{field: "mailbox", text: "compras"}, part{field: "configuration", text: "diaria"}, part{field: "file", file: "c.csv", text: data}).
		wants(t, http.StatusUnprocessableEntity, configurations.CodeUnknown)

	r := f.call(t, "GET", "/v1/configurations/ventas/diaria@1", token, nil)
	if r.wants(t, http.StatusOK, ""); string(r.body) != config+"# 0\n" || r.Header.Get("Sage-Configuration") != "diaria@1" {
		t.Errorf("%q", r.body)
	}
	f.call(t, "GET", "/v1/configurations/ventas/diaria@9", token, nil).wants(t, http.StatusNotFound, api.CodeNoConfiguration)
	if r := f.call(t, "GET", "/v1/configurations/ventas", token, nil); !strings.Contains(string(r.body), `"version":2`) {
		t.Errorf("%s", r.body)
	}
}

// Each form that makes no sense is refused with its code, and leaves nothing.
func TestFormsAreRefused(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Submitter, "ventas")
	file, configuration := part{field: "file", file: "c.csv", text: data}, part{field: "configuration", text: config}
	large := strings.Repeat("x", int(limits.MaxFile)+1)
	tests := map[string]struct {
		parts  []part
		status int
		code   fault.Code
	}{
		"no configuration":       {[]part{file}, 422, execution.CodeRequestField},
		"no file":                {[]part{configuration}, 422, execution.CodeRequestField},
		"configuration twice":    {[]part{configuration, configuration, file}, 422, execution.CodeRequestField},
		"broken configuration":   {[]part{{field: "configuration", text: "sage_yaml: {}\ncatalogs: [\n"}, file}, 422, configurations.CodeInvalid},
		"empty configuration":    {[]part{{field: "configuration", text: ""}, file}, 422, configurations.CodeInvalid},
		"large configuration":    {[]part{{field: "configuration", text: large + large}, file}, 413, api.CodeTooLarge},
		"mailbox after file":     {[]part{file, {field: "mailbox", text: "ventas"}, configuration}, 422, execution.CodeRequestField},
		"another mailbox":        {[]part{{field: "mailbox", text: "compras"}, file, configuration}, 403, access.CodeDenied},
		"mailbox that is a path": {[]part{{field: "mailbox", text: "../ventas"}, file, configuration}, 422, execution.CodeMailbox},
		"id that is a path":      {[]part{{field: "execution_id", text: "../../x"}, file, configuration}, 422, execution.CodeID},
		"name that is a path":    {[]part{configuration, {field: "file", file: "../../c.csv", text: data}}, 422, execution.CodeRequestField},
		"name with backslashes":  {[]part{configuration, {field: "file", file: `a\\c.csv`, text: data}}, 422, execution.CodeRequestField},
		"no name":                {[]part{configuration, {field: "file", text: data}}, 422, execution.CodeRequestField},
		"same name twice":        {[]part{configuration, file, file}, 422, execution.CodeRequestField},
		"large file":             {[]part{configuration, file, {field: "file", file: "l.csv", text: large}}, 413, api.CodeTooLarge},
		"large request":          {[]part{configuration, {field: "file", file: "l.csv", text: large + large + large + large}}, 413, api.CodeTooLarge},
		"other bytes":            {[]part{configuration, {field: "file", file: "c.csv", text: data, header: "Content-Digest: sha-256=:AAAA:"}}, 422, api.CodeDigest},
		"unknown field":          {[]part{{field: "generation", text: "2"}, configuration, file}, 422, execution.CodeRequestField},
		"field twice":            {[]part{{field: "sender", text: "a"}, {field: "sender", text: "b"}, configuration, file}, 422, execution.CodeRequestField},
		"long field":             {[]part{{field: "sender", text: strings.Repeat("a", 5000)}, configuration, file}, 413, api.CodeTooLarge},
		"no time":                {[]part{{field: "deadline", text: "tomorrow"}, configuration, file}, 422, execution.CodeRequestField},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { f.send(t, token, tt.parts...).wants(t, tt.status, tt.code) })
	}
	for _, kind := range []string{"multipart/form-data; boundary=other", "multipart/form-data"} {
		body, _ := form(configuration, file)
		f.call(t, "POST", "/v1/executions", token, body, "Content-Type", kind).wants(t, 400, api.CodeMultipart)
	}
	f.call(t, "POST", "/v1/executions", token, strings.NewReader("a=b"), "Content-Type", "application/x-www-form-urlencoded").wants(t, 415, api.CodeMediaType)
	f.call(t, "POST", "/v1/executions", token, strings.NewReader("{}")).wants(t, 415, api.CodeMediaType)
	if n := f.waiting(t) + uint64(f.stored(t, "")); n != 0 {
		t.Errorf("%d messages and objects were left", n)
	}
}

func TestConfigurationErrorsHaveAPlace(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	wrong := strings.Replace(config, "name: p\n", "nam: p\n", 1)
	r := f.send(t, f.token(t, access.Submitter, "ventas"), part{field: "configuration", file: "c.yaml", text: wrong + "catalogs: {}\n"}, part{field: "file", file: "c.csv", text: data})
	p := r.problem(t)
	if r.StatusCode != 422 || len(p.Errors) == 0 || p.Errors[0].Line == 0 || p.Errors[0].Column == 0 || p.Errors[0].Code == "" {
		t.Errorf("%s", r.body)
	}
}

// What a request names by URI must lie in the mailbox's own place: the server opens
// nothing else, so it can be led nowhere.
func TestReferencesAreConfined(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Submitter, "ventas")
	for key, text := range map[string]string{"inputs/ventas/c.csv": data, "inputs/compras/c.csv": data, "outcome/c.csv": data, "inputs/ventas/c.yaml": config} {
		if _, err := f.objects.Put(t.Context(), key, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	store := f.objects.URL()
	request := func(uri string) string {
		text, _ := json.Marshal(uri)
		return fmt.Sprintf(`{"mailbox":"ventas","yaml_config":%s,"input_files":[{"uri":%s,"filename":"c.csv"}]}`, quoted(config), text)
	}
	accepted(t, f.sendJSON(t, token, "/v1/executions", request(store+"/inputs/ventas/c.csv")))
	before := f.waiting(t)
	for uri, code := range map[string]fault.Code{
		"http://169.254.169.254/latest/meta-data/":  intake.CodeForbidden,
		"https://example.org/redirects":             intake.CodeForbidden,
		"http://[::ffff:169.254.169.254]/":          intake.CodeForbidden,
		"file:///etc/passwd":                        intake.CodeForbidden,
		"s3://another/inputs/ventas/c.csv":          intake.CodeForbidden,
		store + "/inputs/compras/c.csv":             intake.CodeForbidden,
		store + "/outcome/c.csv":                    intake.CodeForbidden,
		store + "/inputs/ventas2/c.csv":             intake.CodeForbidden,
		store + "/inputs/ventas/../compras/c.csv":   storage.CodeKeyInvalid,
		store + "/inputs/ventas/%2e%2e/compras/c":   intake.CodeMissing,
		store + "/inputs/ventas//etc/passwd":        storage.CodeKeyInvalid,
		store + "/inputs/ventas/nothing.csv":        intake.CodeMissing,
		strings.ToUpper(store) + "/inputs/ventas/c": intake.CodeForbidden,
	} {
		f.sendJSON(t, token, "/v1/executions", request(uri)).wants(t, 422, code)
		reference := fmt.Sprintf(`{"mailbox":"ventas","yaml_config":{"uri":%s,"sha256":%q},"input_files":[{"uri":%s,"filename":"c.csv"}]}`,
			quoted(uri), strings.Repeat("0", 64), quoted(store+"/inputs/ventas/c.csv"))
		f.sendJSON(t, token, "/v1/executions", reference).wants(t, 422, code)
	}
	sum := sha256.Sum256([]byte(config))
	good := fmt.Sprintf(`{"yaml_config":{"uri":%s,"sha256":"%x"},"input_files":[{"uri":%s,"filename":"c.csv"}]}`,
		quoted(store+"/inputs/ventas/c.yaml"), sum, quoted(store+"/inputs/ventas/c.csv"))
	f.sendJSON(t, token, "/v1/executions", strings.Replace(good, hex.EncodeToString(sum[:]), strings.Repeat("0", 64), 1)).wants(t, 422, api.CodeDigest)
	if n := f.waiting(t); n != before {
		t.Errorf("%d were accepted", n-before)
	}
	accepted(t, f.sendJSON(t, token, "/v1/executions", good))
}

func quoted(text string) string {
	q, _ := json.Marshal(text)
	return string(q)
}

func TestJSONIsRefused(t *testing.T) {
	t.Parallel()
	f := dirFleet(t)
	token := f.token(t, access.Submitter, "ventas")
	for name, tt := range map[string]struct {
		body   string
		status int
		code   fault.Code
	}{
		"cut":                    {`{"mailbox":`, 400, execution.CodeRequestJSON},
		"unknown name":           {`{"colour":"red"}`, 400, execution.CodeRequestJSON},
		"name twice":             {`{"mailbox":"ventas","mailbox":"ventas"}`, 400, execution.CodeRequestJSON},
		"two objects":            {`{}{}`, 400, execution.CodeRequestJSON},
		"no configuration":       {`{"input_files":[]}`, 422, execution.CodeRequestField},
		"two configurations":     {`{"yaml_config":"a","configuration":"b","input_files":[]}`, 422, execution.CodeRequestField},
		"a generation":           {`{"generation":2,"configuration":"b","input_files":[]}`, 422, execution.CodeRequestField},
		"no name":                {`{"configuration":"a b","input_files":[]}`, 422, configurations.CodeReference},
		"no files":               {`{"yaml_config":` + quoted(config) + `,"input_files":[]}`, 422, execution.CodeRequestField},
		"a broken configuration": {`{"yaml_config":"sage_yaml: [","input_files":[]}`, 422, configurations.CodeInvalid},
		"a large one":            {`{"yaml_config":"` + strings.Repeat("x", 5<<20) + `"}`, 413, api.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			f.sendJSON(t, token, "/v1/executions", tt.body).wants(t, tt.status, tt.code)
		})
	}
}

// While the queue is full, nothing is taken: not even the file is stored.
func TestBackPressure(t *testing.T) {
	t.Parallel()
	f := newFleet(t, limits, storagetest.Dir(t), func(c *bus.Config) { c.QueueMaxBytes = 200 << 10 })
	token := f.token(t, access.Submitter, "ventas")
	send := func() reply {
		return f.send(t, token, part{field: "configuration", text: config + "#" + strings.Repeat("x", 15<<10)}, part{field: "file", file: "c.csv", text: data})
	}
	taken := 0
	for ; taken < 20; taken++ {
		r := send()
		if r.StatusCode == http.StatusAccepted {
			continue
		}
		r.wants(t, http.StatusServiceUnavailable, queue.CodeFull)
		if r.Header.Get("Retry-After") == "" {
			t.Error("it doesn't say when to come again")
		}
		break
	}
	if n := f.waiting(t); taken == 20 || n != uint64(taken) {
		t.Errorf("%d were taken, %d wait", taken, n)
	}
	if n := f.stored(t, "inputs/"); n != 2*taken {
		t.Errorf("%d objects are stored, want the file and the request of each of %d", n, taken)
	}
}

func TestFullStorage(t *testing.T) {
	t.Parallel()
	f := newFleet(t, limits, fullStore{storagetest.Dir(t)})
	r := f.send(t, f.token(t, access.Submitter, "ventas"), part{field: "configuration", text: config}, part{field: "file", file: "c.csv", text: data})
	r.wants(t, http.StatusServiceUnavailable, storage.CodeFull)
	if r.Header.Get("Retry-After") != "60" || f.waiting(t) != 0 {
		t.Errorf("Retry-After %q, %d wait", r.Header.Get("Retry-After"), f.waiting(t))
	}
}

// fullStore has no space left.
type fullStore struct{ storage.Store }

func (s fullStore) Put(ctx context.Context, key string, r io.Reader) (storage.Info, error) {
	_, _ = io.Copy(io.Discard, r)
	return storage.Info{}, fault.New(storage.CodeFull, "put %q: %w", key, errors.New("no space left on device"))
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
