package execution_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

var origin = execution.Origin{
	Mailbox: "ventas", Stream: "EXECUTIONS", Sequence: 42,
	Time: time.UnixMilli(1_700_000_000_000),
}

const sum = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestDecode(t *testing.T) {
	size := int64(12)
	tests := map[string]struct {
		in   string
		at   func(*execution.Origin)
		want execution.Request
	}{
		"founding document's three names": {
			in: `{"execution_id":"e1","yaml_config":"sage_yaml: {}","input_files":[{"uri":"s3://b/k","filename":"a.csv"}]}`,
			want: execution.Request{ID: "e1", Mailbox: "ventas", Config: execution.Config{Text: "sage_yaml: {}"},
				Inputs: []execution.Input{{URI: "s3://b/k", Filename: "a.csv"}}},
		},
		"references": {
			in: `{"execution_id":"e1","yaml_config":{"uri":"file:///c.yaml","sha256":"` + sum + `"},
				"input_files":[{"source_execution_id":"e0","filename":"a.csv","sha256":"` + sum + `","size":12}],"mailbox":"ventas"}`,
			want: execution.Request{ID: "e1", Mailbox: "ventas", Config: execution.Config{URI: "file:///c.yaml", SHA256: sum},
				Inputs: []execution.Input{{SourceExecutionID: "e0", Filename: "a.csv", SHA256: sum, Size: &size}}},
		},
		"id from the stream": {
			in: `{"yaml_config":"x","input_files":[{"uri":"u","filename":"a.csv"}]}`,
			want: execution.Request{ID: "executions-42-18bcfe56800", Mailbox: "ventas", Config: execution.Config{Text: "x"},
				Inputs: []execution.Input{{URI: "u", Filename: "a.csv"}}},
		},
		"id from the subject": {
			in: `{"yaml_config":"x","input_files":[{"uri":"u","filename":"a.csv"}]}`,
			at: func(o *execution.Origin) { o.ID = "e7" },
			want: execution.Request{ID: "e7", Mailbox: "ventas", Config: execution.Config{Text: "x"},
				Inputs: []execution.Input{{URI: "u", Filename: "a.csv"}}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			at := origin
			if tt.at != nil {
				tt.at(&at)
			}
			got, err := execution.Decode([]byte(tt.in), at)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if err := validateSchema(t, []byte(tt.in)); err != nil {
				t.Errorf("schema refuses what Decode accepts: %v", err)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	request := func(field string) string {
		return `{"yaml_config":"x","input_files":[{"uri":"u","filename":"a.csv"}]` + field + `}`
	}
	files := func(file string) string { return `{"yaml_config":"x","input_files":[` + file + `]}` }
	tests := map[string]struct {
		in     string
		code   fault.Code
		schema bool // the schema can express it too
	}{
		"empty":               {``, execution.CodeRequestJSON, true},
		"not JSON":            {`hola`, execution.CodeRequestJSON, true},
		"truncated":           {`{"yaml_config":`, execution.CodeRequestJSON, true},
		"array":               {`[]`, execution.CodeRequestJSON, true},
		"null":                {`null`, execution.CodeRequestField, true},
		"two values":          {request("") + `{}`, execution.CodeRequestJSON, true},
		"unknown name":        {request(`,"priority":1`), execution.CodeRequestJSON, true},
		"name twice":          {request(`,"class":"a","class":"b"`), execution.CodeRequestJSON, false},
		"name twice, escaped": {request(`,"class":"a","cl\u0061ss":"b"`), execution.CodeRequestJSON, false},
		"name twice folded":   {request(`,"class":"a","Class":"b"`), execution.CodeRequestJSON, true},
		"name twice, wider":   {`{"input_files":[],"yaml_config":"x","input_fileſ":[{"uri":"u","filename":"a.csv"}]}`, execution.CodeRequestJSON, true},
		"huge uri":            {files(`{"filename":"a","uri":"` + strings.Repeat("u", execution.MaxURI+1) + `"}`), execution.CodeRequestField, true},
		"control in uri":      {files(`{"filename":"a","uri":"a\u0000"}`), execution.CodeRequestField, true},
		"huge config uri":     {`{"yaml_config":{"uri":"` + strings.Repeat("u", execution.MaxURI+1) + `","sha256":"` + sum + `"},"input_files":[{"uri":"u","filename":"a"}]}`, execution.CodeRequestField, true},
		"deep":                {request(`,"class":` + strings.Repeat("[", 100) + strings.Repeat("]", 100)), execution.CodeRequestJSON, true},
		"path id":             {request(`,"execution_id":"../../x"`), execution.CodeID, true},
		"dotted id":           {request(`,"execution_id":"a.b"`), execution.CodeID, true},
		"wildcard id":         {request(`,"execution_id":"*"`), execution.CodeID, true},
		"tail id":             {request(`,"execution_id":">"`), execution.CodeID, true},
		"spaced id":           {request(`,"execution_id":"a b"`), execution.CodeID, true},
		"huge id":             {request(`,"execution_id":"` + strings.Repeat("a", 1<<20) + `"`), execution.CodeID, true},
		"other mailbox":       {request(`,"mailbox":"compras"`), execution.CodeMailbox, false},
		"no config":           {`{"input_files":[{"uri":"u","filename":"a.csv"}]}`, execution.CodeRequestField, true},
		"huge config":         {`{"yaml_config":"` + strings.Repeat("a", execution.MaxInlineConfig+1) + `","input_files":[{"uri":"u","filename":"a"}]}`, execution.CodeRequestField, true},
		"config sum":          {`{"yaml_config":{"uri":"u","sha256":""},"input_files":[{"uri":"u","filename":"a"}]}`, execution.CodeRequestField, true},
		"config name":         {`{"yaml_config":{"uri":"u","sha256":"` + sum + `","x":1},"input_files":[{"uri":"u","filename":"a"}]}`, execution.CodeRequestJSON, true},
		"no inputs":           {files(``), execution.CodeRequestField, true},
		"input without uri":   {files(`{"filename":"a"}`), execution.CodeRequestField, true},
		"input with both":     {files(`{"filename":"a","uri":"u","source_execution_id":"e"}`), execution.CodeRequestField, true},
		"file path":           {files(`{"filename":"../a","uri":"u"}`), execution.CodeRequestField, true},
		"file backslash":      {files(`{"filename":"a\\b","uri":"u"}`), execution.CodeRequestField, true},
		"file NUL":            {files(`{"filename":"a\u0000","uri":"u"}`), execution.CodeRequestField, true},
		"file dots":           {files(`{"filename":"..","uri":"u"}`), execution.CodeRequestField, false},
		"negative size":       {files(`{"filename":"a","uri":"u","size":-1}`), execution.CodeRequestField, true},
		"negative version":    {request(`,"version":-1`), execution.CodeRequestField, true},
		"version in words":    {request(`,"version":"2"`), execution.CodeRequestJSON, true},
		"negative gen":        {request(`,"generation":-1`), execution.CodeRequestField, true},
		"bad deadline":        {request(`,"deadline":"mañana"`), execution.CodeRequestJSON, false},
		"control in sender":   {request(`,"sender":"a\u0007"`), execution.CodeRequestField, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := execution.Decode([]byte(tt.in), origin)
			if fault.CodeOf(err) != tt.code || !fault.IsPermanent(err) {
				t.Errorf("Decode: %v, want a permanent %s", err, tt.code)
			}
			if tt.schema && validateSchema(t, []byte(tt.in)) == nil {
				t.Error("the schema accepts it")
			}
		})
	}
}

func validateSchema(t *testing.T, in []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(execution.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("request.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("request.json")
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(in))
	if err != nil {
		return err
	}
	return schema.Validate(instance)
}

func TestDigestIsTheContent(t *testing.T) {
	base := execution.Request{ID: "e", Mailbox: "m", Config: execution.Config{Text: "x"},
		Inputs: []execution.Input{{URI: "u", Filename: "a"}}}
	same := base
	same.Deadline, same.Class, same.Generation, same.Trace = time.Now(), "fast", 3, "00-1-2-3"
	if base.Digest() != same.Digest() {
		t.Error("when and how urgently changes the digest")
	}
	for name, change := range map[string]func(*execution.Request){
		"id":      func(r *execution.Request) { r.ID = "f" },
		"mailbox": func(r *execution.Request) { r.Mailbox = "n" },
		"config":  func(r *execution.Request) { r.Config.Text = "y" },
		"inputs":  func(r *execution.Request) { r.Inputs = []execution.Input{{URI: "v", Filename: "a"}} },
		"sender":  func(r *execution.Request) { r.Sender = "s" },
	} {
		other := base
		change(&other)
		if other.Digest() == base.Digest() {
			t.Errorf("%s does not change the digest", name)
		}
	}
}

// canonicalDigest is the digest as the wire format defines it: the SHA-256 of the
// request's own JSON without what doesn't decide the answer.
func canonicalDigest(t *testing.T, r execution.Request) string {
	t.Helper()
	r.Version, r.Deadline, r.Class, r.Generation, r.Trace = 0, time.Time{}, "", 0, ""
	canonical, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// Every outcome holds a digest, so its bytes may never change.
func TestDigestIsOfTheRequestsOwnJSON(t *testing.T) {
	size := int64(3)
	full := execution.Request{Version: 1, ID: "e", Mailbox: "m", Sender: "s <&>", Method: "api", Deadline: time.Now(), Class: "c", Generation: 2, Trace: "t",
		Config: execution.Config{Text: "a: \"ñ\"\n\t<b> & \u2028 \xff"},
		Inputs: []execution.Input{{URI: "u", Filename: "a", SHA256: sum, Size: &size}, {SourceExecutionID: "x", Filename: "b"}}}
	reference := full
	reference.Config = execution.Config{URI: "s3://b/k?<", SHA256: sum}
	for name, r := range map[string]execution.Request{"text": full, "reference": reference, "nothing": {}} {
		if got, want := r.Digest(), canonicalDigest(t, r); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	// A new field of the content must be in the digest, too.
	if n := reflect.TypeFor[execution.Request]().NumField(); n != 11 {
		t.Errorf("a request has %d fields: does the new one decide the answer?", n)
	}
}

func TestKeyPathRoundTrips(t *testing.T) {
	k := execution.Key{Mailbox: "ventas_2", ID: "A-1", Generation: 3}
	got, err := execution.ParsePath(k.Path())
	if err != nil || got != k {
		t.Errorf("ParsePath(%q) = %v, %v", k.Path(), got, err)
	}
	for _, bad := range []string{"", "a", "a.b", "a.b.c", "a.b.0", "a.b.01", "a.b.1.d", "../x.b.1", "a.b.-1"} {
		if k, err := execution.ParsePath(bad); err == nil {
			t.Errorf("ParsePath(%q) = %v, want an error", bad, k)
		}
	}
}

// FuzzDecode: whatever is accepted is valid, safe to name things by, and means
// the same after a round trip.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"execution_id":"e1","yaml_config":"x","input_files":[{"uri":"s3://b/k","filename":"a.csv","size":3}]}`))
	f.Add([]byte(`{"yaml_config":{"uri":"u","sha256":"` + sum + `"},"input_files":[{"source_execution_id":"e","filename":"a"}],"deadline":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"a":{"a":[{}]},"A":1}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := execution.Decode(in, origin)
		if err != nil {
			if !fault.IsPermanent(err) || fault.CodeOf(err) == fault.Unclassified {
				t.Fatalf("%v is not a permanent coded fault", err)
			}
			return
		}
		if k, err := execution.ParsePath(r.Key().Path()); err != nil || k != r.Key() {
			t.Fatalf("key %v does not round trip: %v", r.Key(), err)
		}
		out, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := execution.Decode(out, origin)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if diff := cmp.Diff(r, again); diff != "" || r.Digest() != again.Digest() {
			t.Fatalf("round trip: %s", diff)
		}
		if want := canonicalDigest(t, r); r.Digest() != want {
			t.Fatalf("%s has the digest %s, as the wire format defines it %s", out, r.Digest(), want)
		}
	})
}

func TestBytesAreKnownWhenEveryFileSaysSo(t *testing.T) {
	size := func(n int64) execution.Input { return execution.Input{Size: &n} }
	for want, inputs := range map[int64][]execution.Input{
		7: {size(3), size(4)},
		0: {size(3), {}},
	} {
		if got := (execution.Request{Inputs: inputs}).Bytes(); got != want {
			t.Errorf("%d bytes, want %d", got, want)
		}
	}
	if got := (execution.Request{Inputs: []execution.Input{size(1 << 62), size(1 << 62)}}).Bytes(); got != 0 {
		t.Errorf("more than fits is %d bytes", got)
	}
}
