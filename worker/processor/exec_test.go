package processor_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/worker/engine/report"
	"github.com/sagefleet/sagefleet/worker/processor"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux, where external programs are allowed")
	}
	tests := map[string]struct {
		variables map[string]string
		command   processor.Command
		refused   string // "" if it works
	}{
		"default": {nil, nil, ""},
		"words": {
			map[string]string{"ENGINE": "exec", "ENGINE_COMMAND": " sh  -c {config} {data} "},
			processor.Command{"sh", "-c", "{config}", "{data}"}, "",
		},
		"array": {
			map[string]string{"ENGINE": "exec", "ENGINE_COMMAND": ` ["sh", "a b", "--in={data}", "{config}"]`},
			processor.Command{"sh", "a b", "--in={data}", "{config}"}, "",
		},
		"unknown engine":      {map[string]string{"ENGINE": "python"}, nil, `ENGINE is "python"; expected native or exec`},
		"no command":          {map[string]string{"ENGINE": "exec"}, nil, `ENGINE_COMMAND is ""; expected a program`},
		"broken array":        {map[string]string{"ENGINE_COMMAND": `["sh", 1]`}, nil, `ENGINE_COMMAND is "[\"sh\", 1]"; expected words, or a JSON array`},
		"no such program":     {map[string]string{"ENGINE": "exec", "ENGINE_COMMAND": "no-such-sage {config} {data}"}, nil, "no-such-sage"},
		"unknown placeholder": {map[string]string{"ENGINE": "exec", "ENGINE_COMMAND": "sh {config} {data} {dta}"}, nil, "no {dta}: there are {config} {data} {out}"},
		"without the data":    {map[string]string{"ENGINE": "exec", "ENGINE_COMMAND": "sh {config}"}, nil, "{data} among the arguments"},
		"no time":             {map[string]string{"ENGINE": "exec", "ENGINE_COMMAND": "sh {config} {data}", "ENGINE_TIMEOUT": "0s"}, nil, `ENGINE_TIMEOUT is "0s"`},
		"negative memory":     {map[string]string{"ENGINE": "exec", "ENGINE_COMMAND": "sh {config} {data}", "ENGINE_MEMORY": "-1"}, nil, `ENGINE_MEMORY is "-1"`},
		"no output":           {map[string]string{"ENGINE": "exec", "ENGINE_COMMAND": "sh {config} {data}", "ENGINE_OUTPUT_LIMIT": "0"}, nil, `ENGINE_OUTPUT_LIMIT is "0"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := settings.Parse[processor.Config](tt.variables)
			if err == nil {
				err = cfg.Validate()
			}
			if tt.refused != "" {
				if err == nil || !fault.IsPermanent(err) || !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("%v, want a refusal that says %q", err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.command, cfg.Command); d != "" {
				t.Errorf("command (-want +got)\n%s", d)
			}
		})
	}
}

// TestArguments: values from a request are neither options nor templates.
func TestArguments(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		template, sender string
		want             string // "" is a refusal
	}{
		"plain":                {"{sender}", "a b'$(c)", "a b'$(c)"},
		"a placeholder inside": {"{sender}", "{data}", "{data}"},
		"joined":               {"--sender={sender}", "-x", "--sender=-x"},
		"an option":            {"{sender}", "--out=/etc", ""},
		"a NUL":                {"--sender={sender}", "a\x00b", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := processor.Command{"p", tt.template}.Expand(map[string]string{"{sender}": tt.sender, "{data}": "/d"})
			if tt.want == "" {
				if fault.CodeOf(err) != processor.CodeEngineArgument || !fault.IsPermanent(err) {
					t.Errorf("%q, %v, want a permanent %s", got, err, processor.CodeEngineArgument)
				}
				return
			}
			if err != nil || got[1] != tt.want {
				t.Errorf("%q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestCapture(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	tests := map[string]struct {
		limit      int64
		writes     []string
		head, last string
		cut        int64
	}{
		"all of it":     {4, []string{"ab", "cd"}, "abcd", "", 0},
		"just over":     {3, []string{"ab", "cd"}, "abc", "d", 0},
		"a flood":       {3, []string{"abc", long, "end"}, "abc", long[:4096-3] + "end", 10_000 + 3 - 4096},
		"many writes":   {1, strings.Split(long, ""), "x", long[:4096], 10_000 - 1 - 4096},
		"nothing":       {1, nil, "", "", 0},
		"no room at it": {0, []string{"a"}, "", "a", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			head, last, cut := processor.Captured(tt.limit, tt.writes...)
			if head != tt.head || last != tt.last || cut != tt.cut {
				t.Errorf("%q, %d bytes at the end, %d dropped; want %q, %d, %d", head, len(last), cut, tt.head, len(tt.last), tt.cut)
			}
		})
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		json string
		want *processor.Result // nil is none
	}{
		"complete":      {`{"summary":{"status":"Parcial","total_records":7,"errors":0,"warnings":2},"x":1}`, &processor.Result{Status: report.Partial, Records: 7, Warnings: 2}},
		"floats":        {`{"summary":{"status":"Fallido","total_records":7.0,"errors":1e1}}`, &processor.Result{Status: report.Failed, Records: 7, Errors: 10}},
		"other status":  {`{"summary":{"status":"OK","errors":3}}`, &processor.Result{Status: report.Failed, Errors: 3}},
		"no summary":    {`{"validation":{}}`, nil},
		"no errors key": {`{"summary":{"status":"Éxito"}}`, nil},
		"cut off":       {`{"summary":{"status":"Éxito","errors":0}`, nil},
		"NaN":           {`{"summary":{"status":"Éxito","errors":0,"success_rate":NaN}}`, nil},
		"negative":      {`{"summary":{"errors":-1}}`, nil},
		"fraction":      {`{"summary":{"errors":0.5}}`, nil},
		"too many":      {`{"summary":{"errors":1e300}}`, nil},
		"a list":        {`[1]`, nil},
		"a text":        {`{"summary":"fine"}`, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := processor.SummaryOf([]byte(tt.json))
			if ok != (tt.want != nil) {
				t.Fatalf("%+v, %t", got, ok)
			}
			if ok {
				if d := cmp.Diff(*tt.want, got); d != "" {
					t.Errorf("(-want +got)\n%s", d)
				}
			}
		})
	}
}

// FuzzSummary: whatever a program wrote, a summary that is taken is one that a
// report of ours could have.
func FuzzSummary(f *testing.F) {
	f.Add([]byte(`{"summary":{"status":"Éxito","total_records":7,"errors":0,"warnings":2}}`))
	f.Add([]byte(`{"summary":{"errors":9007199254740993}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := processor.SummaryOf(data)
		switch {
		case ok && !json.Valid(data):
			t.Errorf("a summary of invalid JSON: %+v", got)
		case ok && (got.Records < 0 || got.Errors < 0 || got.Warnings < 0):
			t.Errorf("negative counts: %+v", got)
		case ok && got.Status != report.Success && got.Status != report.Partial && got.Status != report.Failed:
			t.Errorf("unknown status %q", got.Status)
		case !ok && got.Status != "":
			t.Errorf("half a summary: %+v", got)
		}
	})
}
