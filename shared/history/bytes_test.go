package history_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/history"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// results are of an execution that ended then: two files inside its OUTCOME, and a large
// one beside it.
func (w world) results(ended time.Time) execution.Outcome {
	w.t.Helper()
	o, err := w.outcomes.Commit(w.t.Context(), execution.Outcome{Key: key(1), Kind: execution.Succeeded, Attempt: "3-a", Executor: execution.OnWorker, Finished: ended},
		[]outcome.Data{{Name: "report.html", Bytes: []byte("<p>bien</p>")}, {Name: "large.csv", Bytes: bytes.Repeat([]byte("x"), outcome.InlineLimit+1)},
			{Name: "report.json", Bytes: []byte("{}")}})
	w.must(err)
	w.tells(key(1), execution.Succeeded, "3-a")
	return o
}

// One byte that changes, wherever it lies, is a violation.
func TestAChangedByteIsFound(t *testing.T) {
	t.Parallel()
	flip := func(at func([]byte) int) func([]byte) []byte {
		return func(b []byte) []byte { b[at(b)] ^= 1; return b }
	}
	whole := history.Options{Bytes: true, Ended: true}
	bySize := history.Options{Ended: true}
	tests := map[string]struct {
		large  bool // it is the large file that changes
		change func([]byte) []byte
		opts   history.Options
		found  string // in what is wrong; nothing is when empty
	}{
		"nothing changed":             {false, func(b []byte) []byte { return b }, whole, ""},
		"the first inside":            {false, flip(func(b []byte) int { return bytes.IndexByte(b, '\n') + 1 }), bySize, `"report.html"`},
		"the last inside":             {false, flip(func(b []byte) int { return len(b) - 1 }), bySize, `"report.json"`},
		"one less inside":             {false, func(b []byte) []byte { return b[:len(b)-1] }, bySize, `"report.json" has 1 bytes`},
		"one more inside":             {false, func(b []byte) []byte { return append(b, 'x') }, bySize, "1 bytes longer"},
		"a hash":                      {false, flip(func(b []byte) int { return bytes.Index(b, []byte("sha256")) + 12 }), bySize, "SHA-256"},
		"the manifest's syntax":       {false, flip(func([]byte) int { return 0 }), bySize, "can't be read"},
		"all of it":                   {false, func([]byte) []byte { return nil }, bySize, "can't be read"},
		"the first of the large":      {true, flip(func([]byte) int { return 0 }), whole, `"large.csv" has the SHA-256`},
		"the last of the large":       {true, flip(func(b []byte) int { return len(b) - 1 }), whole, `"large.csv" has the SHA-256`},
		"of the large, unread":        {true, flip(func([]byte) int { return 0 }), bySize, ""},
		"of the large, another's":     {true, flip(func([]byte) int { return 0 }), history.Options{Bytes: true, Mailbox: "pagos"}, ""},
		"one less of the large":       {true, func(b []byte) []byte { return b[1:] }, bySize, `"large.csv" has 262144 bytes`},
		"one less of the large, read": {true, func(b []byte) []byte { return b[1:] }, whole, `"large.csv" has 262144 bytes`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := w.results(time.Now().Add(-time.Hour))
			path := outcome.Path(o.Key)
			if tt.large {
				path = o.Files[slices.IndexFunc(o.Files, func(f execution.File) bool { return f.Key != "" })].Key
			}
			file := filepath.Join(w.dir, path)
			content, err := os.ReadFile(file)
			w.must(err)
			w.must(os.Chmod(file, 0o600))
			w.must(os.WriteFile(file, tt.change(content), 0o600))
			r, err := history.Verify(t.Context(), w.js, w.outcomes, tt.opts)
			w.must(err)
			if tt.found == "" {
				if r.Violations[history.Unchanged] != 0 {
					t.Errorf("found %s", r.Explain())
				}
				return
			}
			if r.Violations[history.Unchanged] != 1 || !strings.Contains(r.Explain(), tt.found) {
				t.Errorf("found %q, want %q", r.Explain(), tt.found)
			}
		})
	}
}

// A large result may be gone once its time is over, and not before.
func TestALargeResultThatIsGone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		kept  time.Duration
		bytes bool
		found int
	}{"too soon": {2 * time.Hour, false, 1}, "too soon, read": {2 * time.Hour, true, 1}, "in time": {time.Minute, true, 0}, "any time": {0, false, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			o := w.results(time.Now().Add(-time.Hour))
			w.must(w.objects.Delete(t.Context(), o.Files[2].Key))
			r, err := history.Verify(t.Context(), w.js, w.outcomes, history.Options{Kept: tt.kept, Bytes: tt.bytes})
			w.must(err)
			if r.Violations[history.Unchanged] != tt.found || r.Gone != 1-tt.found {
				t.Errorf("%d gone, found %q", r.Gone, r.Explain())
			}
		})
	}
}

// A store that fails is no damage.
func TestAStoreThatFailsIsNoDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.results(time.Now())
	for name, failing := range map[string]storage.Store{"the outcome": failingStore{w.objects, outcome.Root}, "the large file": failingStore{w.objects, outcome.AttemptRoot}} {
		if r, err := history.Verify(t.Context(), w.js, outcome.New(failing), history.Options{Bytes: true}); err == nil {
			t.Errorf("%s can't be read: %+v", name, r)
		}
	}
}

// failingStore breaks off in the middle of what lies under a prefix.
type failingStore struct {
	storage.Store
	prefix string
}

func (s failingStore) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	body, err := s.Store.Get(ctx, key)
	if err == nil && strings.HasPrefix(key, s.prefix) {
		body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(body, 10), iotest.ErrReader(io.ErrUnexpectedEOF)), body}
	}
	return body, err
}
