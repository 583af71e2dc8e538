package outcome_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// FuzzRead: an object that is taken for an outcome is that of its key, says the
// same when it is read again, and none of its files has more bytes than it says.
func FuzzRead(f *testing.F) {
	k := execution.Key{Mailbox: "m", ID: "e", Generation: 1}
	line, err := json.Marshal(execution.Outcome{Version: execution.OutcomeVersion, Key: k, Kind: execution.Succeeded, Attempt: "1-a",
		Files: []execution.File{{Name: "a", Size: 2}, {Name: "b", Size: 3}, {Name: "c", Size: 1, Key: "attempts/c"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(bytes.Clone(line), "\nabcde"...))
	f.Add(append(bytes.Clone(line), "\nab"...))
	f.Add(append(bytes.ReplaceAll(line, []byte(`"size":2`), []byte(`"size":-2`)), "\nabcde"...))
	f.Add(append(bytes.ReplaceAll(line, []byte(`"size":3`), []byte(`"size":9223372036854775807`)), "\nabcde"...))
	f.Add(line)
	f.Add([]byte("\n"))
	objects, err := storage.Open(f.Context(), "file://"+f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	store := outcome.New(objects)
	f.Fuzz(func(t *testing.T, object []byte) {
		if _, err := objects.Put(t.Context(), outcome.Path(k), bytes.NewReader(object)); err != nil {
			t.Fatal(err)
		}
		o, err := store.Read(t.Context(), k)
		again, err2 := store.Read(t.Context(), k)
		if d := cmp.Diff(o, again); d != "" || (err == nil) != (err2 == nil) {
			t.Fatalf("%v, then %v:\n%s", err, err2, d)
		}
		if err != nil {
			if errors.Is(err, outcome.ErrNone) {
				t.Fatal("an object that can't be read isn't none: it would be written again")
			}
			return
		}
		if o.Key != k || o.Version != execution.OutcomeVersion {
			t.Fatalf("%+v is the outcome of %v", o, k)
		}
		seen := map[string]bool{}
		for _, file := range o.Files {
			if seen[file.Name] {
				continue // a name is that of its first file
			}
			seen[file.Name] = true
			body, err := store.Open(t.Context(), o, file.Name)
			if err != nil {
				continue
			}
			data, err := io.ReadAll(body)
			if err == nil && file.Key == "" && int64(len(data)) > max(file.Size, 0) || !bytes.Contains(object, data) {
				t.Fatalf("%q of %d bytes is %q", file.Name, file.Size, data)
			}
			_ = body.Close()
		}
	})
}
