package function

import (
	"context"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// CodeExpired says that an event came so late that it must not begin.
const CodeExpired fault.Code = "LAMBDA_EVENT_EXPIRED"

// Outcomes reads what has been committed.
type Outcomes interface {
	Read(context.Context, execution.Key) (execution.Outcome, error)
}

// WithOutcomes has events answered from the outcome that stands: Lambda delivers an
// event again when its function died, and sometimes without a reason.
func WithOutcomes(o Outcomes) Option { return func(h *Handler) { h.outcomes = o } }

// answered returns the reply to an event that needs no work: it has been done, or it
// is too late for it.
func (h *Handler) answered(ctx context.Context, inv execution.Invocation) (execution.Reply, bool) {
	d := inv.Delegation
	if d == nil || !d.Event {
		return execution.Reply{}, false
	}
	if h.outcomes != nil {
		// Anything but an outcome means work: if one stands all the same, that loses at
		// the commit.
		if o, err := h.outcomes.Read(ctx, inv.Key()); err == nil && o.RequestDigest == inv.Digest() {
			zerolog.Ctx(ctx).Info().Str("attempt", o.Attempt).Msg("event was answered before")
			return stands(o), true
		}
	}
	if late := time.Since(d.Expires); !d.Expires.IsZero() && late > 0 {
		err := fault.New(CodeExpired, "the event came %v after its end", late.Round(time.Millisecond)).
			Expecting("it before %s", d.Expires.Format(time.RFC3339)).Advise("compare the function's maximum event age with LAMBDA_EVENT_AGE")
		zerolog.Ctx(ctx).Warn().Err(err).Msg("event not executed")
		return execution.Reply{StatusCode: http.StatusGone, Body: err.Error()}, true
	}
	return execution.Reply{}, false
}
