package executor_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/processor"
)

// look is a processor that looks at its only input.
type look func(processor.Input)

func (l look) Process(_ context.Context, job processor.Job) (processor.Result, error) {
	l(job.Inputs[0])
	return processor.Result{Status: "Éxito"}, nil
}

// Small text is never put on the disk; everything else is, and removed.
func TestWhereFilesAreKept(t *testing.T) {
	t.Parallel()
	const limit = 256 << 10
	tests := map[string]struct {
		name   string
		size   int
		onDisk bool
	}{
		"empty":          {"a.csv", 0, false},
		"small":          {"a.csv", 10, false},
		"at the limit":   {"a.txt", limit, false},
		"beyond it":      {"a.csv", limit + 1, true},
		"workbook":       {"a.XLSX", 10, true},
		"empty workbook": {"a.xlsx", 0, true},
		"archive":        {"a.zip", 10, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			text := strings.Repeat("x", tt.size)
			scratch, looked := t.TempDir(), false
			e := executor.New(s.objects, look(func(in processor.Input) {
				looked = true
				data := in.Data
				if in.Path != "" {
					var err error
					if data, err = os.ReadFile(in.Path); err != nil {
						t.Error(err)
					}
				}
				if string(data) != text || (in.Path != "") != tt.onDisk || !isEmpty(t, scratch) != tt.onDisk {
					t.Errorf("%d bytes at %q", len(data), in.Path)
				}
			}), execution.OnWorker, "h", executor.Config{Language: "es", MaxInputBytes: 1 << 20, Scratch: scratch})
			r := request("e1", execution.Input{URI: s.put(t, "inputs/ventas/f", text), Filename: tt.name})
			o, err := e.Execute(t.Context(), execution.Attempt{Request: r, Token: 7, Number: 1})
			if err != nil || o.Inputs[0].Size != int64(tt.size) || !looked || !isEmpty(t, scratch) {
				t.Errorf("%+v, %v; looked %v", o, err, looked)
			}
		})
	}
}

func isEmpty(t *testing.T, dir string) bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries) == 0
}
