package worker

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/trace"
)

// traced is next, with spans of what it spends its time on where anybody follows them.
func traced(next execution.Executor) execution.ExecutorFunc {
	return func(ctx context.Context, a execution.Attempt) (execution.Outcome, error) {
		if !trace.Recording(ctx) {
			return next.Execute(ctx, a)
		}
		began := time.Now()
		noting, steps := execution.WithSteps(ctx)
		o, err := next.Execute(noting, a)
		trace.Record(ctx, steps.Under("execute", began), trace.Internal, a.Request.Key(),
			attribute.String("sagefleet.executor", execution.OnWorker), attribute.Int("sagefleet.attempt", a.Number))
		return o, err
	}
}
