package executor_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/outcome"
	"github.com/sagefleet/sagefleet/shared/storage"
	"github.com/sagefleet/sagefleet/worker/executor"
	"github.com/sagefleet/sagefleet/worker/processor"
)

const config = `
sage_yaml: {name: n, description: d, version: "1", author: a}
catalogs:
  c: {name: c, description: d, filename: a.csv, file_format: {type: CSV, delimiter: ",", header: true}, fields: [{name: id, type: entero, required: true}]}
packages:
  p: {name: p, description: d, file_format: {type: CSV}, catalogs: [c]}
`

type shop struct {
	objects  storage.Store
	outcomes *outcome.Store
}

func newShop(t *testing.T) shop {
	t.Helper()
	objects, err := storage.Open(t.Context(), "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return shop{objects, outcome.New(objects)}
}

func (s shop) put(t *testing.T, key, text string) string {
	t.Helper()
	if _, err := s.objects.Put(t.Context(), key, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return storage.Join(s.objects.URL(), key)
}

func (s shop) execute(t *testing.T, p executor.Processor, r execution.Request) (execution.Outcome, error) {
	t.Helper()
	e := executor.New(s.objects, p, execution.OnWorker, "h", executor.Config{Language: "es", MaxInputBytes: 1 << 20, Scratch: t.TempDir()})
	return e.Execute(t.Context(), execution.Attempt{Request: r, Token: 7, Number: 1})
}

func request(id string, inputs ...execution.Input) execution.Request {
	return execution.Request{ID: id, Mailbox: "ventas", Config: execution.Config{Text: config}, Inputs: inputs}
}

func TestExecuteCommitsAReport(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	uri := s.put(t, "inputs/ventas/a.csv", "id\n1\nx\n")
	o, err := s.execute(t, processor.Native{}, request("e1", execution.Input{URI: uri, Filename: "a.csv"}))
	if err != nil {
		t.Fatal(err)
	}
	if o.Kind != execution.Succeeded || o.Summary.Records != 2 || o.Summary.Errors != 1 || len(o.Files) == 0 || o.Inputs[0].Size != 7 {
		t.Errorf("%+v", o)
	}
	// A file of that execution, through another one, twice removed.
	for _, link := range []struct{ id, source string }{{"e2", "e1"}, {"e3", "e2"}} {
		o, err = s.execute(t, processor.Native{}, request(link.id, execution.Input{SourceExecutionID: link.source, Filename: "a.csv"}))
		if err != nil || o.Summary.Records != 2 || o.Inputs[0].Source != uri {
			t.Errorf("%s from %s: %+v, %v", link.id, link.source, o, err)
		}
	}
}

func TestExecuteAnswersBadInput(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	good := s.put(t, "inputs/ventas/a.csv", "id\n1\n")
	s.put(t, "inputs/compras/b.csv", "id\n1\n")
	size := int64(99)
	sum := strings.Repeat("0", 64)
	tests := map[string]struct {
		input execution.Input
		code  fault.Code
		retry bool
	}{
		"host file":        {execution.Input{URI: "file:///etc/passwd"}, intake.CodeForbidden, false},
		"other mailbox":    {execution.Input{URI: storage.Join(s.objects.URL(), "inputs/compras/b.csv")}, intake.CodeForbidden, false},
		"out by dots":      {execution.Input{URI: storage.Join(s.objects.URL(), "inputs/ventas/../compras/b.csv")}, storage.CodeKeyInvalid, false},
		"encoded dots":     {execution.Input{URI: storage.Join(s.objects.URL(), "inputs/ventas/%2e%2e/compras/b.csv")}, intake.CodeMissing, true},
		"another scheme":   {execution.Input{URI: "http://169.254.169.254/latest/meta-data"}, intake.CodeForbidden, false},
		"missing":          {execution.Input{URI: storage.Join(s.objects.URL(), "inputs/ventas/no.csv")}, intake.CodeMissing, true},
		"missing source":   {execution.Input{SourceExecutionID: "never"}, intake.CodeMissing, true},
		"another size":     {execution.Input{URI: good, Size: &size}, executor.CodeDigest, false},
		"another content":  {execution.Input{URI: good, SHA256: sum}, executor.CodeDigest, false},
		"too large a file": {execution.Input{URI: s.put(t, "inputs/ventas/big.csv", strings.Repeat("x", 2<<20))}, executor.CodeTooLarge, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.input.Filename = "a.csv"
			o, err := s.execute(t, processor.Native{}, request("e-"+strings.ReplaceAll(name, " ", "-"), tt.input))
			if tt.retry {
				if fault.CodeOf(err) != tt.code || fault.IsPermanent(err) {
					t.Errorf("%+v, %v, want a retryable %s", o, err, tt.code)
				}
				return
			}
			if err != nil || o.Kind != execution.Dead || o.Fault.Code != tt.code {
				t.Errorf("%+v, %v, want DEAD with %s", o, err, tt.code)
			}
		})
	}
}

type panicking struct{}

func (panicking) Process(context.Context, processor.Job) (processor.Result, error) {
	panic("index out of range")
}

func TestAPanicEndsOnlyItsExecution(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	uri := s.put(t, "inputs/ventas/a.csv", "id\n1\n")
	o, err := s.execute(t, panicking{}, request("e1", execution.Input{URI: uri, Filename: "a.csv"}))
	if err != nil || o.Kind != execution.Dead || o.Fault.Code != executor.CodePanic {
		t.Errorf("%+v, %v", o, err)
	}
}

// full is a store that can't create.
type full struct{ storage.Store }

func (full) Create(context.Context, string, []byte) error {
	return errors.New("no space left on device")
}

func TestAFullStoreIsNoFailureOfTheRequest(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	uri := s.put(t, "inputs/ventas/a.csv", "id\n1\n")
	s.objects = full{s.objects}
	if o, err := s.execute(t, processor.Native{}, request("e1", execution.Input{URI: uri, Filename: "a.csv"})); !errors.As(err, new(*execution.BusyError)) {
		t.Errorf("%+v, %v, want busy", o, err)
	}
}

func TestAnotherContentUnderTheSameIDIsAConflict(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.put(t, "inputs/ventas/a.csv", "id\n1\n")
	second := s.put(t, "inputs/ventas/b.csv", "id\n2\n")
	if _, err := s.execute(t, processor.Native{}, request("e1", execution.Input{URI: first, Filename: "a.csv"})); err != nil {
		t.Fatal(err)
	}
	if o, err := s.execute(t, processor.Native{}, request("e1", execution.Input{URI: second, Filename: "a.csv"})); fault.CodeOf(err) != execution.CodeConflict {
		t.Errorf("%+v, %v, want CONFLICT", o, err)
	}
}
