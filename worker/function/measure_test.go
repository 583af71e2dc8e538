package function_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/worker/function"
)

// TestMetricLines: each execution is one line that CloudWatch makes metrics of, and what
// needed no work is none.
func TestMetricLines(t *testing.T) {
	t.Parallel()
	schema := emfSchema(t)
	tests := map[string]struct {
		outcome execution.Outcome
		err     error
		want    map[string]any
	}{
		"succeeded": {execution.Outcome{Kind: execution.Succeeded, Attempt: "7-x", Inputs: []execution.File{{Size: 40}, {Size: 2}}}, nil,
			map[string]any{"sage_lambda_executions": 1.0, "sage_lambda_dead": 0.0, "sage_lambda_failures": 0.0, "sage_lambda_input_bytes": 42.0, "state": "SUCCEEDED", "attempt": "7-x"}},
		"dead": {execution.Outcome{Kind: execution.Dead, Attempt: "7-x", Fault: fault.New("ZIP_RATIO", "too much")}, nil,
			map[string]any{"sage_lambda_executions": 1.0, "sage_lambda_dead": 1.0, "sage_lambda_failures": 0.0, "state": "DEAD", "code": "ZIP_RATIO"}},
		"failed": {execution.Outcome{}, fault.New("INPUT_MISSING", "gone"),
			map[string]any{"sage_lambda_executions": 0.0, "sage_lambda_failures": 1.0, "state": "FAILED", "code": "INPUT_MISSING", "sage_lambda_input_bytes": 0.0}},
	}
	for name, tt := range tests {
		var log bytes.Buffer
		h := function.New(executorFunc(func(context.Context, execution.Attempt) (execution.Outcome, error) { return tt.outcome, tt.err }),
			function.WithMetrics(&log, "sage-function"))
		r := request
		r.Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		reply, err := h.Handle(t.Context(), encoded(t, execution.Invocation{Request: r, Delegation: &execution.Delegation{Token: 7, Number: 1, Enqueued: time.Now().Add(-3 * time.Second)}}))
		if err != nil || len(reply.Steps) == 0 || reply.Steps[0].Name != "execute" {
			t.Fatalf("%s: %+v, %v", name, reply, err)
		}
		text, ended := strings.CutSuffix(log.String(), "\n")
		if !ended || strings.Contains(text, "\n") {
			t.Fatalf("%s: %q is not one line", name, log.String())
		}
		line, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(line); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		fields := line.(map[string]any)
		checkReferences(t, fields)
		tt.want["FunctionName"], tt.want["mailbox"], tt.want["execution"], tt.want["trace"] = "sage-function", "ventas", "e1", "0af7651916cd43dd8448eb211c80319c"
		for field, want := range tt.want {
			if got := number(fields[field]); got != want {
				t.Errorf("%s: %s is %v, want %v", name, field, got, want)
			}
		}
		if wait := number(fields["sage_lambda_wait_seconds"]).(float64); wait < 3 || wait > 60 {
			t.Errorf("%s: waited for %v s", name, wait)
		}
	}
	var log bytes.Buffer
	h := function.New(executorFunc(func(context.Context, execution.Attempt) (execution.Outcome, error) {
		return execution.Outcome{}, errors.New("no")
	}),
		function.WithMetrics(&log, "sage-function"))
	if _, err := h.Handle(t.Context(), encoded(t, execution.Invocation{Request: request, Delegation: &execution.Delegation{Token: 1, Number: 1, Event: true, Expires: time.Now().Add(-time.Minute)}})); err != nil || log.Len() > 0 {
		t.Errorf("an event that came too late: %v, %q", err, log.String())
	}
}

// checkReferences: what the directive names is a field of the line: a number for a metric,
// a text for a dimension. The schema can't say that.
func checkReferences(t *testing.T, line map[string]any) {
	t.Helper()
	for _, c := range line["_aws"].(map[string]any)["CloudWatchMetrics"].([]any) {
		for _, m := range c.(map[string]any)["Metrics"].([]any) {
			if _, ok := number(line[m.(map[string]any)["Name"].(string)]).(float64); !ok {
				t.Errorf("metric %v is no number", m)
			}
		}
		for _, set := range c.(map[string]any)["Dimensions"].([]any) {
			for _, d := range set.([]any) {
				if text, ok := line[d.(string)].(string); !ok || text == "" {
					t.Errorf("dimension %v is no text", d)
				}
			}
		}
	}
}

// number is a JSON number as a float64, and anything else as it is.
func number(v any) any {
	if n, ok := v.(interface{ Float64() (float64, error) }); ok {
		f, _ := n.Float64()
		return f
	}
	return v
}

func emfSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/emf.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("emf.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("emf.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
