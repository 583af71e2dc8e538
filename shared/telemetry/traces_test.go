package telemetry_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/settings"
	"github.com/sagefleet/sagefleet/shared/telemetry"
	"github.com/sagefleet/sagefleet/shared/trace"
)

// TestTracesAreSent: a collector gets what OpenTelemetry's protocol says, because its
// variables say where.
func TestTracesAreSent(t *testing.T) {
	var mu sync.Mutex
	var got []*collector.ExportTraceServiceRequest
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := &collector.ExportTraceServiceRequest{}
		if err = errors.Join(err, proto.Unmarshal(body, request)); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Tenant") != "sage" {
			t.Errorf("%s %v: %v", r.URL, r.Header, err)
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, request)
	}))
	defer receiver.Close()
	variables := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.URL, "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=sage", "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
	for name, value := range variables {
		t.Setenv(name, value)
	}
	cfg, err := settings.Parse[telemetry.Traces](variables)
	if err != nil {
		t.Fatal(err)
	}
	flush, err := cfg.Send(t.Context(), "worker", "host-1")
	if err != nil {
		t.Fatal(err)
	}
	_, span := trace.Start(t.Context(), "process ventas", trace.Consumer, key)
	span.End(fault.New("INPUT_MISSING", "it is gone"))
	flush()

	mu.Lock()
	defer mu.Unlock()
	if len(got) != 1 || len(got[0].GetResourceSpans()) != 1 {
		t.Fatalf("received %v", got)
	}
	sent := got[0].GetResourceSpans()[0]
	resource := map[string]string{}
	for _, a := range sent.GetResource().GetAttributes() {
		resource[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if resource["service.name"] != "sage-worker" || resource["service.instance.id"] != "host-1" || resource["deployment.environment.name"] != "test" {
		t.Errorf("sent by %v", resource)
	}
	s := sent.GetScopeSpans()[0].GetSpans()[0]
	attributes := map[string]string{}
	for _, a := range s.GetAttributes() {
		attributes[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if s.GetName() != "process ventas" || attributes["sagefleet.execution"] != key.ID || attributes["error.type"] != "INPUT_MISSING" || !strings.Contains(s.GetStatus().GetMessage(), "gone") {
		t.Errorf("sent %v", s)
	}
}

// TestTracesSettings: nothing is sent unless it is asked for, in OpenTelemetry's words.
func TestTracesSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		variables map[string]string
		on        bool
		refused   string
	}{
		"nothing":         {nil, false, ""},
		"endpoint":        {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true, ""},
		"traces endpoint": {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, true, ""},
		"exporter":        {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true, ""},
		"none":            {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, false, ""},
		"disabled":        {map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, false, ""},
		"console":         {map[string]string{"OTEL_TRACES_EXPORTER": "console"}, false, "OTEL_TRACES_EXPORTER"},
		"grpc":            {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, true, "OTEL_EXPORTER_OTLP_PROTOCOL"},
		"grpc, unused":    {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false, ""},
	}
	for name, tt := range tests {
		cfg, err := settings.Parse[telemetry.Traces](tt.variables)
		if err != nil {
			t.Fatal(err)
		}
		err = cfg.Validate()
		if tt.refused != "" {
			if err == nil || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || cfg.On() != tt.on {
			t.Errorf("%s: %v, on is %v", name, err, cfg.On())
		}
	}
}

// TestTraceparents: what is none is ignored, and what is one survives.
func TestTraceparents(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := trace.Continue(t.Context(), parent)
	if trace.Parent(ctx) != parent || trace.ID(ctx) != "0af7651916cd43dd8448eb211c80319c" || !trace.Sampled(ctx) || trace.Recording(ctx) {
		t.Errorf("%q became %q", parent, trace.Parent(ctx))
	}
	if again := trace.Continue(ctx, "00-11111111111111111111111111111111-b7ad6b7169203331-01"); trace.Parent(again) != parent {
		t.Errorf("another took its place: %q", trace.Parent(again))
	}
	for _, wrong := range []string{"", "x", strings.Repeat("0", 55), parent[:54], "00-00000000000000000000000000000000-b7ad6b7169203331-01", parent + "\x00"} {
		if trace.Valid(wrong) || trace.Parent(trace.Continue(t.Context(), wrong)) != "" {
			t.Errorf("%q is a traceparent", wrong)
		}
	}
	if s := (execution.Step{Micros: 1500}); s.Took().Microseconds() != 1500 {
		t.Errorf("took %v", s.Took())
	}
}
