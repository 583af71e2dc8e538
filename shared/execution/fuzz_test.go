package execution_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// FuzzInvocation: an invocation that is accepted is of a valid request, and the
// same after a round trip; any other is refused with a code.
func FuzzInvocation(f *testing.F) {
	f.Add([]byte(`{"execution_id":"e1","mailbox":"m","yaml_config":"x","input_files":[{"uri":"s3://b/k","filename":"a.csv"}]}`), "lambda")
	f.Add([]byte(`{"execution_id":"e1","yaml_config":"x","input_files":[{"uri":"u","filename":"a"}],"delegation":{"token":7,"number":2,"enqueued":"2026-01-02T03:04:05Z"}}`), "lambda")
	f.Add([]byte(`{"delegation":{"token":-1,"Token":1}}`), "..")
	f.Fuzz(func(t *testing.T, data []byte, mailbox string) {
		inv, err := execution.DecodeInvocation(data, mailbox)
		if err != nil {
			if !fault.IsPermanent(err) || fault.CodeOf(err) == fault.Unclassified {
				t.Fatalf("%v is not a permanent coded fault", err)
			}
			return
		}
		if err := inv.Validate(); err != nil {
			t.Fatal(err)
		}
		written, err := json.Marshal(inv)
		if err != nil {
			t.Fatal(err)
		}
		again, err := execution.DecodeInvocation(written, "other")
		if d := cmp.Diff(inv, again); err != nil || d != "" {
			t.Fatalf("%s: %v\n%s", written, err, d)
		}
	})
}

// FuzzPath: what is read as a key is written the same, and can name a file, a
// subject and an entry of a bucket.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"ventas.e1.1", "a.b.01", "a.b.+1", "../x.b.1", "a.b.9223372036854775808", "a.b. 1", "a.*.1"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		k, err := execution.ParsePath(path)
		if err != nil {
			return
		}
		if k.Path() != path || k.Validate() != nil || strings.ContainsAny(path, "/\\*> \x00") || len(path) > 64+64+22 {
			t.Fatalf("%q is the key %+v", path, k)
		}
	})
}
