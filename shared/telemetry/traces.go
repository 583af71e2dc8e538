package telemetry

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/sagefleet/sagefleet/shared/heartbeat"
	"github.com/sagefleet/sagefleet/shared/settings"
)

// Traces says where traces are sent. The variables are OpenTelemetry's own
// (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/);
// those that are not here, such as OTEL_TRACES_SAMPLER, OTEL_RESOURCE_ATTRIBUTES and
// OTEL_EXPORTER_OTLP_HEADERS, are read by its library.
type Traces struct {
	// Endpoint is where traces are sent by OTLP, such as http://collector:4318; nowhere when
	// this and the next are empty.
	Endpoint string `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	// TracesEndpoint is the same for traces only, with the path, such as
	// http://collector:4318/v1/traces.
	TracesEndpoint string `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"`
	Exporter       string `env:"OTEL_TRACES_EXPORTER"`                                   // otlp, or none to send nothing all the same
	Protocol       string `env:"OTEL_EXPORTER_OTLP_PROTOCOL" envDefault:"http/protobuf"` // http/protobuf is the only one there is
	Disabled       bool   `env:"OTEL_SDK_DISABLED" envDefault:"false"`                   // true sends nothing
	Service        string `env:"OTEL_SERVICE_NAME"`                                      // sage-worker, sage-bridge and so on when empty
}

// Validate refuses values that can't work, by variable.
func (t Traces) Validate() error {
	switch {
	case t.Exporter != "" && t.Exporter != "otlp" && t.Exporter != "none":
		return settings.Invalid("OTEL_TRACES_EXPORTER", t.Exporter, "otlp or none")
	case t.On() && t.Protocol != "http/protobuf":
		return settings.Invalid("OTEL_EXPORTER_OTLP_PROTOCOL", t.Protocol, "http/protobuf, which collectors serve on port 4318")
	}
	return nil
}

// On reports whether traces are sent.
func (t Traces) On() bool {
	return !t.Disabled && t.Exporter != "none" && (t.Endpoint != "" || t.TracesEndpoint != "" || t.Exporter == "otlp")
}

// flushPatience bounds how long a program's end waits for the last spans.
const flushPatience = 5 * time.Second

// Send has the spans of this process, which is the component given, sent to where t
// says. The returned function sends what is left.
func (t Traces) Send(ctx context.Context, component, host string) (flush func(), err error) {
	if !t.On() {
		return func() {}, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	service := t.Service
	if service == "" {
		service = "sage-" + component
	}
	described, err := resource.Merge(resource.Environment(), resource.NewSchemaless(semconv.ServiceName(service),
		semconv.ServiceVersion(heartbeat.Version()), semconv.ServiceInstanceID(host)))
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	log := zerolog.Ctx(ctx)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn().Err(err).Msg("traces not sent") }))
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(described))
	otel.SetTracerProvider(provider)
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushPatience)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn().Err(err).Msg("traces not sent")
		}
	}, nil
}
