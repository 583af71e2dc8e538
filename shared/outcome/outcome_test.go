package outcome_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

func open(t *testing.T) storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func succeeded(id, attempt string) execution.Outcome {
	return execution.Outcome{Key: execution.Key{Mailbox: "ventas", ID: id, Generation: 1}, Kind: execution.Succeeded,
		Attempt: attempt, Number: 1, Executor: execution.OnWorker, RequestDigest: "d", Finished: time.Unix(9, 0).UTC(),
		Summary: &execution.Summary{Status: "Éxito", Records: 3}}
}

func TestCommitAndReadBack(t *testing.T) {
	t.Parallel()
	s := outcome.New(open(t))
	want := succeeded("e1", "1-A")
	if _, err := s.Read(t.Context(), want.Key); !errors.Is(err, outcome.ErrNone) {
		t.Fatalf("Read before: %v, want ErrNone", err)
	}
	files := []outcome.Data{
		{Name: "report.json", Bytes: []byte("{}\n\n")},
		{Name: "big.bin", Bytes: bytes.Repeat([]byte("x"), outcome.InlineLimit)},
		{Name: "empty.log"},
		{Name: "results.txt", Bytes: []byte("ñandú")},
	}
	stands, err := s.Commit(t.Context(), want, files)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Read(t.Context(), want.Key)
	if diff := cmp.Diff(stands, got); err != nil || diff != "" {
		t.Fatalf("Read: %v\n%s", err, diff)
	}
	for _, f := range files {
		body, err := s.Open(t.Context(), got, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(data, f.Bytes) {
			t.Errorf("%s: %d bytes, %v, want %d", f.Name, len(data), err, len(f.Bytes))
		}
		_ = body.Close()
	}
	for _, f := range got.Files {
		if beside := f.Key != ""; beside != (f.Name == "big.bin") {
			t.Errorf("%s has key %q", f.Name, f.Key)
		}
		if f.Key != "" && !strings.HasPrefix(f.Key, outcome.AttemptPrefix(want.Key, "1-A")) {
			t.Errorf("%s lies at %q, outside its attempt", f.Name, f.Key)
		}
	}
	if _, err := s.Open(t.Context(), got, "absent"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Open of an absent file: %v", err)
	}
}

func TestOneOfManyCommitsStandsForAll(t *testing.T) {
	t.Parallel()
	s := outcome.New(open(t))
	var mu sync.Mutex
	standing := map[string]int{}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			o, err := s.Commit(t.Context(), succeeded("e1", fmt.Sprint(i)), []outcome.Data{{Name: "a", Bytes: []byte(fmt.Sprint(i))}})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			standing[o.Attempt]++
		})
	}
	wg.Wait()
	if len(standing) != 1 {
		t.Errorf("attempts told they won: %v", standing)
	}
}

// faulty is a store whose Create answers wrongly n times.
type faulty struct {
	storage.Store
	answer func(real func() error) error
}

func (f faulty) Create(ctx context.Context, key string, data []byte) error {
	return f.answer(func() error { return f.Store.Create(ctx, key, data) })
}

func TestCommitBelievesWhatStandsAndNotTheAnswer(t *testing.T) {
	t.Parallel()
	broken := errors.New("500")
	calls := 0
	tests := map[string]struct {
		answer func(func() error) error
		before bool // somebody else committed first
		mine   bool
	}{
		"reply lost after the write": {answer: func(real func() error) error { _ = real(); return broken }, mine: true},
		"own write answered exists":  {answer: func(real func() error) error { _ = real(); return storage.ErrExists }, mine: true},
		"lost, answered 500":         {answer: func(func() error) error { return broken }, before: true},
		"lost, answered exists":      {answer: func(real func() error) error { return real() }, before: true},
		"two failures, then written": {answer: func(real func() error) error {
			if calls++; calls < 3 {
				return broken
			}
			return real()
		}, mine: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			objects := open(t)
			if tt.before {
				if _, err := outcome.New(objects).Commit(t.Context(), succeeded("e1", "other"), nil); err != nil {
					t.Fatal(err)
				}
			}
			o, err := outcome.New(faulty{objects, tt.answer}).Commit(t.Context(), succeeded("e1", "mine"), nil)
			if err != nil || (o.Attempt == "mine") != tt.mine {
				t.Errorf("Commit = %q, %v, want mine %v", o.Attempt, err, tt.mine)
			}
		})
	}
}

func TestCommitThatNeverSucceedsIsAnError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s := outcome.New(faulty{open(t), func(func() error) error { return errors.New("500") }})
	if o, err := s.Commit(ctx, succeeded("e1", "mine"), nil); err == nil {
		t.Errorf("Commit = %+v without an error", o)
	}
}

func TestReadRefusesWhatItCannotUnderstand(t *testing.T) {
	t.Parallel()
	k := succeeded("e1", "a").Key
	tests := map[string]struct {
		object string
		code   fault.Code
	}{
		"torn":           {`{"version":1`, fault.Unclassified},
		"no JSON":        {"hola\n", fault.Unclassified},
		"later version":  {`{"version":2,"mailbox":"ventas","execution_id":"e1","generation":1}` + "\n", execution.CodeVersion},
		"later kind":     {`{"version":1,"mailbox":"ventas","execution_id":"e1","generation":1,"kind":"SKIPPED"}` + "\n", execution.CodeVersion},
		"later form":     {`{"version":2,"mailbox":{"name":"ventas"}}` + "\n", execution.CodeVersion},
		"no version":     {`{"mailbox":"ventas","execution_id":"e1","generation":1}` + "\n", execution.CodeVersion},
		"another's name": {`{"version":1,"mailbox":"ventas","execution_id":"E1","generation":1}` + "\n", execution.CodeConflict},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			objects := open(t)
			if err := objects.Create(t.Context(), outcome.Path(k), []byte(tt.object)); err != nil {
				t.Fatal(err)
			}
			if _, err := outcome.New(objects).Read(t.Context(), k); err == nil || fault.CodeOf(err) != tt.code {
				t.Errorf("Read: %v, want %s", err, tt.code)
			}
		})
	}
}

func TestAllYieldsEveryOutcome(t *testing.T) {
	t.Parallel()
	s := outcome.New(open(t))
	want := map[string]bool{}
	for i := range 40 {
		id := fmt.Sprintf("e%d", i)
		if _, err := s.Commit(t.Context(), succeeded(id, "a"), nil); err != nil {
			t.Fatal(err)
		}
		want[id] = true
	}
	for o, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		delete(want, o.ID)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}
