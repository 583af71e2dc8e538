package processor_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// TestExecIsCommitted: what an external program leaves is the outcome of an
// execution, with the files that it wrote.
func TestExecIsCommitted(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		config string
		kind   execution.Kind
		errors int
		file   string
		says   string
	}{
		"errors in the data":  {"sage_yaml: {}\n", execution.Succeeded, 1, "report.json", `"errors": 1`},
		"wrong configuration": {"catalogs: {}\n", execution.Dead, 1, "error.log", "sage_yaml is missing\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := objects.Put(t.Context(), "inputs/m/data", strings.NewReader("n\n1\nx\n3\n")); err != nil {
				t.Fatal(err)
			}
			x := processor.NewExec(processor.Config{
				Timeout: time.Minute, OutputLimit: 1 << 20,
				Command: processor.Command{"testdata/engine.sh", "{config}", "{data}", "{out}", "{lang}", "{execution}", "{sender}"},
			}, "")
			work := executor.New(objects, x, execution.OnWorker, "host", executor.Config{Language: "es", MaxInputBytes: 1 << 20})
			got, err := work.Execute(t.Context(), execution.Attempt{Number: 1, Request: execution.Request{
				ID: "e1", Mailbox: "m", Config: execution.Config{Text: tt.config}, Generation: 1,
				Inputs: []execution.Input{{URI: storage.Join(objects.URL(), "inputs/m/data"), Filename: "ventas.csv"}},
			}})
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind != tt.kind || got.Summary == nil || got.Summary.Errors != tt.errors {
				t.Fatalf("%+v, want %s with %d errors", got, tt.kind, tt.errors)
			}
			body, err := outcome.New(objects).Open(t.Context(), got, tt.file)
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			if text, err := io.ReadAll(body); err != nil || !strings.Contains(string(text), tt.says) {
				t.Errorf("%s is %q, %v, want %q", tt.file, text, err, tt.says)
			}
		})
	}
}
