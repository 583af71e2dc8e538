// Package trace follows executions from their publishing to their commit, with
// OpenTelemetry.
//
// It knows the API only: nothing is recorded, and next to nothing spent, unless the
// program installed an SDK; see package telemetry. What travels with a request is a W3C
// traceparent (https://www.w3.org/TR/trace-context/).
package trace

import (
	"context"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Kind is a span's part in a conversation.
type Kind = trace.SpanKind

// The kinds of spans.
const (
	Internal = trace.SpanKindInternal
	Producer = trace.SpanKindProducer // hands work to a queue
	Consumer = trace.SpanKindConsumer // takes it off
	Client   = trace.SpanKindClient   // asks somebody and waits
	Server   = trace.SpanKindServer   // is asked
)

// Header is the message header and the name of the W3C trace context.
const Header = "traceparent"

// tracer records nothing until a program installs an SDK.
var tracer = otel.Tracer("github.com/sagefleet/sagefleet")

// maxSteps bounds what is believed of a reply.
const maxSteps = 100

// Span is one thing that took time.
type Span struct{ span trace.Span }

// Start begins a span below that of ctx, about the execution of k.
func Start(ctx context.Context, name string, kind Kind, k execution.Key, more ...attribute.KeyValue) (context.Context, Span) {
	ctx, span := tracer.Start(ctx, name, trace.WithSpanKind(kind))
	if span.IsRecording() { // attributes cost memory
		span.SetAttributes(attribute.String("sagefleet.mailbox", k.Mailbox), attribute.String("sagefleet.execution", k.ID), attribute.Int("sagefleet.generation", k.Generation))
		span.SetAttributes(more...)
	}
	return ctx, Span{span}
}

// Set adds what became known.
func (s Span) Set(more ...attribute.KeyValue) { s.span.SetAttributes(more...) }

// End ends the span; err, if it isn't nil, is why what it stands for failed.
func (s Span) End(err error) {
	if err != nil && s.span.IsRecording() {
		what := fault.Describe(err)
		s.span.SetAttributes(attribute.String("error.type", string(what.Code)))
		s.span.SetStatus(codes.Error, what.Error())
	}
	s.span.End()
}

// Continue returns ctx with the span that a traceparent names as its span, unless it has
// one of its own or the text is none.
func Continue(ctx context.Context, traceparent string) context.Context {
	if traceparent == "" || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{Header: traceparent})
}

// Valid reports whether text is a traceparent.
func Valid(text string) bool {
	return trace.SpanContextFromContext(Continue(context.Background(), text)).IsValid()
}

// Parent is the traceparent of ctx's span; empty when it has none.
func Parent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[Header]
}

// ID is the id of ctx's trace, as logs show it; empty when it has none.
func ID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		return sc.TraceID().String()
	}
	return ""
}

// Named adds the trace of ctx to what each line of a log about an execution says.
func Named(ctx context.Context, log zerolog.Context) zerolog.Context {
	if id := ID(ctx); id != "" {
		return log.Str("trace", id)
	}
	return log
}

// Recording reports whether anybody will see the span of ctx, which is this process's own.
func Recording(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// Sampled reports whether the span of ctx, which may be another process's, is recorded.
func Sampled(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsSampled() }

// Record makes spans of steps that were noted, here or in a Lambda: the first below ctx's
// span, of the kind given, and all others below that.
func Record(ctx context.Context, steps []execution.Step, kind Kind, k execution.Key, more ...attribute.KeyValue) {
	if !Recording(ctx) {
		return
	}
	for i, s := range steps[:min(len(steps), maxSteps)] {
		inner, span := tracer.Start(ctx, s.Name, trace.WithTimestamp(s.Began), trace.WithSpanKind(kind))
		end := s.Began.Add(s.Took())
		if i == 0 {
			span.SetAttributes(attribute.String("sagefleet.mailbox", k.Mailbox), attribute.String("sagefleet.execution", k.ID), attribute.Int("sagefleet.generation", k.Generation))
			span.SetAttributes(more...)
			ctx, kind = inner, Internal
		}
		span.End(trace.WithTimestamp(end))
	}
}
