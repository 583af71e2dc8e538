package trace_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/trace"
)

// TestNothingIsSpentOnTracesThatNobodyWants: without an SDK, a span that takes part in no
// trace costs its context, at most; and one of a caller's trace is that trace's, but not
// recorded, so that whoever comes next belongs to it too.
func TestNothingIsSpentOnTracesThatNobodyWants(t *testing.T) {
	key := execution.Key{Mailbox: "ventas", ID: "e1", Generation: 1}
	steps := []execution.Step{{Name: "execute", Began: time.Now(), Micros: 5}}
	work := func(ctx context.Context) (string, bool) {
		ctx, span := trace.Start(ctx, "process ventas", trace.Consumer, key)
		span.Set(attribute.Int("n", 1))
		trace.Record(ctx, steps, trace.Internal, key)
		span.End(errors.New("it failed"))
		return trace.Parent(ctx), trace.Recording(ctx)
	}
	for _, parent := range []string{"", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"} {
		if got, recording := work(trace.Continue(t.Context(), parent)); got != parent || recording {
			t.Errorf("the parent %q became %q, recording: %t", parent, got, recording)
		}
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { work(ctx) }); n > 7 {
		t.Errorf("a span that nobody wants allocates %v times, want 7 at most", n)
	}
}
