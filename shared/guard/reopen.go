package guard

import (
	"context"
	"errors"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/state"
)

// Reopen records and tells that who redrove an execution: the generation of k is
// open for the request of that digest once there is a record. Done again, it
// changes nothing.
func Reopen(ctx context.Context, states *state.Store, events Events, who Identity, k execution.Key, digest, why string) error {
	now := time.Now().UTC()
	r := state.Record{Key: k, State: execution.Accepted, RequestDigest: digest, Enqueued: now, Updated: now}
	told := transition(r, 0)
	told.From, told.Executor, told.Reason = k.Generation-1, who.Executor, why
	stored := events.Publish(execution.EventRedriven, execution.NewEvent(execution.EventRedriven, who.Host, now, told))
	if _, err := states.Save(ctx, r, 0); err != nil && !errors.Is(err, state.ErrStale) {
		return err
	}
	return stored(ctx)
}
