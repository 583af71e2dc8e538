package producer_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/producer"
	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
)

const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func openRoot(t *testing.T) *os.Root {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return dir
}

func TestFetchNamesInputs(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const elsewhere = "s3://other/x.csv"
	if _, err := f.objects.Put(t.Context(), "inputs/m/e1/x", strings.NewReader("")); err != nil {
		t.Fatal(err)
	}
	input := func(name string) execution.File {
		return execution.File{Name: name, SHA256: emptySum, Source: storage.Join(f.objects.URL(), "inputs/m/e1/x")}
	}
	o, err := f.outcomes.Commit(t.Context(), execution.Outcome{
		Key: key(1), Kind: execution.Succeeded, Attempt: "1-A",
		Inputs: []execution.File{
			input("orders.tar.gz"), input("More.csv"), input("more.csv"), input("Report.html"),
			{Name: "far.csv", SHA256: emptySum, Source: elsewhere}, {Name: "derived.csv", SHA256: emptySum},
		},
	}, []outcome.Data{{Name: "report.html", Bytes: []byte("<html>")}})
	if err != nil {
		t.Fatal(err)
	}
	dir := openRoot(t)
	files, err := producer.Fetch(t.Context(), f.objects, o, dir, false)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, file := range files {
		got[file.Name] = file.Written
		if _, err := dir.Stat(file.Name); (err == nil) != file.Written {
			t.Errorf("%s: written %v, but %v", file.Name, file.Written, err)
		}
	}
	want := map[string]bool{
		"report.html": true, "data.gz": true, "More.csv": true, "more-2.csv": true, "Report-2.html": true,
		"far.csv": false, "derived.csv": false,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFetchStaysInItsFolder(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	for _, name := range []string{"../evil", "a/b", `a\b`, "..", "", "a\x00b"} {
		o := execution.Outcome{Key: key(1), Files: []execution.File{{Name: name, SHA256: emptySum}}}
		dir := openRoot(t)
		if _, err := producer.Fetch(t.Context(), f.objects, o, dir, true); fault.CodeOf(err) != producer.CodeFileName {
			t.Errorf("%q: %v, want %s", name, err, producer.CodeFileName)
		}
	}
}
