package history

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sagefleet/sagefleet/shared/bus"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// Ended calls see with the event of each execution that has ended in SUCCEEDED or
// DEAD, of one mailbox or of all, as far back as since and as events are kept.
func Ended(ctx context.Context, js jetstream.JetStream, mailbox string, since time.Time, see func(execution.Event)) error {
	only := bus.Scope{Since: since}
	if mailbox != "" {
		only.Subject = bus.SubjectEvent(mailbox, ">")
	}
	return bus.Scan(ctx, js, bus.StreamEvents, only, func(msg *jetstream.RawStreamMsg) error {
		var e execution.Event
		if err := json.Unmarshal(msg.Data, &e); err != nil || e.Data.Key.Validate() != nil {
			return nil //nolint:nilerr // not the fleet's: anyone with the right may publish there
		}
		if e.Data.State == execution.Succeeded.Terminal() || e.Data.State == execution.Dead.Terminal() {
			see(e)
		}
		return nil
	})
}
