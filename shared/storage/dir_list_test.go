package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWalkInPages: a directory that is read in parts is listed as if it were read
// at once, whatever the size of a part.
func TestWalkInPages(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	want := []string{"a-b", "a.b/c", "a.csv", "a/b/c", "a/d", "a0"}
	for i := range 10 {
		want = append(want, fmt.Sprintf("m/%d/x", i), fmt.Sprintf("m/%d.txt", i))
	}
	for _, key := range want {
		file := filepath.Join(top, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(want)
	root, err := os.OpenRoot(top)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, page := range []int{1, 2, 3, 7, 20, 1000} {
		var got []string
		walk := walker{op: operation{ctx: t.Context(), name: "list"}, root: root, page: page, yield: func(info Info, err error) bool {
			if err != nil {
				t.Error(err)
			}
			got = append(got, info.Key)
			return true
		}}
		walk.dir("")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d at a time (-want +got):\n%s", page, diff)
		}
	}
}
