package worker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/worker"
	"github.com/sagefleet/sagefleet/worker/cache"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// TestExternalEnginesAreNotCached: only our own engine says what its findings
// depend on.
func TestExternalEnginesAreNotCached(t *testing.T) {
	t.Parallel()
	objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects.Put(t.Context(), "inputs/m/a.csv", strings.NewReader("a\n1\n")); err != nil {
		t.Fatal(err)
	}
	findings := cache.New(objects, cache.Config{Mode: "on", MaxAge: time.Hour, MaxBytes: 1 << 20})
	const config = "sage_yaml: {name: n, description: d, version: '1', author: a}\n" +
		"catalogs: {c: {name: c, description: d, filename: a.csv, file_format: {type: CSV, delimiter: ',', header: true}, fields: [{name: a, type: entero}]}}\n" +
		"packages: {p: {name: p, description: d, file_format: {type: CSV}, catalogs: [c]}}\n"
	tests := map[string]struct {
		engine processor.Config
		cached bool
	}{
		"native": {processor.Config{Engine: processor.EngineNative}, true},
		"exec": {processor.Config{
			Engine: processor.EngineExec, Command: processor.Command{"sh", "-c", "exit 0", "{config}", "{data}"}, Timeout: time.Minute, OutputLimit: 1 << 20,
		}, false},
	}
	for name, tt := range tests {
		p := worker.NewProcessor(tt.engine, t.TempDir(), findings)
		work := executor.New(objects, p, execution.OnWorker, "h", executor.Config{Language: "es", MaxInputBytes: 1 << 20})
		for i, id := range []string{name + "-1", name + "-2"} {
			o, err := work.Execute(t.Context(), execution.Attempt{Number: 1, Request: execution.Request{
				ID: id, Mailbox: "m", Config: execution.Config{Text: config},
				Inputs: []execution.Input{{URI: storage.Join(objects.URL(), "inputs/m/a.csv"), Filename: "a.csv"}},
			}})
			if err != nil || o.Kind != execution.Succeeded {
				t.Fatalf("%s: %+v, %v", name, o, err)
			}
			if want := tt.cached && i == 1; (o.CachedFrom != nil) != want {
				t.Errorf("%s is cached from %+v, want it: %t", id, o.CachedFrom, want)
			}
		}
	}
}
