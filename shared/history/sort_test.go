package history

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/sagefleet/sagefleet/shared/execution"
)

// More facts than fit into memory come back complete, in order, and leave no file.
func TestSorter(t *testing.T) {
	t.Parallel()
	s := &sorter{capacity: 10, fanIn: 3}
	const n = 1234
	for i := range n {
		f := about(execution.Key{Mailbox: "m", ID: strconv.Itoa(rand.IntN(100)), Generation: 1}, isEvent)
		f.Sequence, f.Kind = uint64(i), "started"
		if i%2 == 0 {
			f.Kind = ""
		}
		if err := s.add(f); err != nil {
			t.Fatal(err)
		}
	}
	var last fact
	seen := map[uint64]bool{}
	for f, err := range s.sorted() {
		if err != nil {
			t.Fatal(err)
		}
		if before(last, f) > 0 {
			t.Fatalf("%+v comes after %+v", f, last)
		}
		if (f.Kind == "") != (f.Sequence%2 == 0) {
			t.Errorf("%+v took a field of another", f)
		}
		seen[f.Sequence], last = true, f
	}
	if len(seen) != n {
		t.Errorf("%d facts, want %d", len(seen), n)
	}
	dir := s.dir
	s.close()
	if _, err := os.Stat(dir); dir == "" || err == nil {
		t.Errorf("%q is left", dir)
	}
}
