package configurations_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/producer/configurations"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// config is a correct configuration, a different one for each number.
func config(n int) []byte {
	return fmt.Appendf(nil, `sage_yaml: {name: v%d, description: d, version: '1', author: a}
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
`, n)
}

func open(t *testing.T) (*configurations.Store, storage.Store) {
	t.Helper()
	objects, err := storage.Open(t.Context(), "file://"+filepath.ToSlash(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	return configurations.New(objects), objects
}

func put(t *testing.T, s *configurations.Store, mailbox, name string, text []byte) (configurations.Version, bool) {
	t.Helper()
	v, created, _, err := s.Put(t.Context(), mailbox, name, text, "ana", "because")
	if err != nil {
		t.Fatal(err)
	}
	return v, created
}

func TestVersionsNeverChange(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	var all []configurations.Version
	for n := 1; n <= 12; n++ { // 9 and 10 sort as numbers
		v, created := put(t, s, "ventas", "diaria", config(n))
		if v.Version != n || !created {
			t.Fatalf("version %d, created %v; want %d", v.Version, created, n)
		}
		all = append(all, v)
	}
	if v, created := put(t, s, "ventas", "diaria", config(12)); created || v.Version != 12 {
		t.Errorf("the same text again: version %d, created %v", v.Version, created)
	}
	if v, created := put(t, s, "ventas", "diaria", config(1)); !created || v.Version != 13 {
		t.Errorf("an earlier text again: version %d, created %v", v.Version, created)
	}
	for n, want := range all {
		got, text, err := s.Get(t.Context(), "ventas", want.Ref())
		if err != nil || string(text) != string(config(n+1)) || !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, %v", want.Ref(), got, err)
		}
	}
	if v, _, err := s.Get(t.Context(), "ventas", configurations.Ref{Name: "diaria"}); err != nil || v.Version != 13 {
		t.Errorf("the latest: %+v, %v", v, err)
	}
	versions, err := s.Versions(t.Context(), "ventas", "diaria")
	if err != nil || len(versions) != 13 {
		t.Errorf("%d versions, %v", len(versions), err)
	}
}

func TestListIsOfOneMailbox(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	put(t, s, "ventas", "b", config(1))
	put(t, s, "ventas", "a", config(1))
	put(t, s, "ventas", "a", config(2))
	put(t, s, "ventas2", "c", config(1))
	list, err := s.List(t.Context(), "ventas")
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, v := range list {
		got += v.Ref().String() + " "
	}
	if got != "a@2 b@1 " {
		t.Errorf("listed %s", got)
	}
	if _, _, err := s.Get(t.Context(), "ventas", configurations.Ref{Name: "c"}); fault.CodeOf(err) != configurations.CodeUnknown {
		t.Errorf("another mailbox's: %v", err)
	}
}

func TestPutAtOnceLosesNone(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	var wg sync.WaitGroup
	const writers = 8
	for n := range writers {
		wg.Go(func() {
			if _, _, _, err := s.Put(t.Context(), "ventas", "diaria", config(n), "ana", ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	versions, err := s.Versions(t.Context(), "ventas", "diaria")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for i, v := range versions {
		if seen[v.SHA256] || v.Version != i+1 {
			t.Errorf("version %d at place %d", v.Version, i+1)
		}
		seen[v.SHA256] = true
	}
	if len(seen) != writers {
		t.Errorf("%d of %d are kept", len(seen), writers)
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	_, _, issues, err := s.Put(t.Context(), "ventas", "diaria", []byte("sage_yaml: {}\ncatalogs: [\n"), "ana", "")
	invalid, ok := errors.AsType[configurations.Invalid](err)
	if fault.CodeOf(err) != configurations.CodeInvalid || !ok || len(invalid.Issues) == 0 || len(issues) == 0 || issues[0].Line == 0 {
		t.Errorf("%v, %+v", err, issues)
	}
	for _, name := range []string{"", "a@1", "../a", "a/b", "a.b", strings.Repeat("a", 65)} {
		if _, _, _, err := s.Put(t.Context(), "ventas", name, config(1), "ana", ""); fault.CodeOf(err) != configurations.CodeReference {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if _, _, _, err := s.Put(t.Context(), "../ventas", "a", config(1), "ana", ""); !fault.IsPermanent(err) {
		t.Errorf("mailbox: %v", err)
	}
}

func TestDamageIsSeen(t *testing.T) {
	t.Parallel()
	s, objects := open(t)
	v, _ := put(t, s, "ventas", "diaria", config(1))
	for name, text := range map[string]string{"empty": "", "no head": "sage_yaml: {}", "another's": `{"mailbox":"x"}` + "\n"} {
		if _, err := objects.Put(t.Context(), "configurations/ventas/diaria/000001", strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Get(t.Context(), "ventas", v.Ref()); fault.CodeOf(err) != configurations.CodeDamaged {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]configurations.Ref{"ventas": {Name: "ventas"}, "ventas@3": {Name: "ventas", Version: 3}, "a-b_C@999999": {Name: "a-b_C", Version: 999999}} {
		if got, err := configurations.ParseRef(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "@1", "a@", "a@0", "a@01", "a@1000000", "a@latest", "a b", "ventas.yaml", "./ventas", "a\n"} {
		if got, err := configurations.ParseRef(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
