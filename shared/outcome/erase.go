package outcome

import (
	"bytes"
	"context"
	"fmt"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/fault"
)

// Erase replaces the outcome of k by a tombstone, which keeps how and when the
// generation ended and nothing that came from the customer. It is the one act that
// replaces an outcome. Of one that was erased before it returns the tombstone that
// stands.
func (s *Store) Erase(ctx context.Context, k execution.Key, how execution.Erasure) (execution.Outcome, error) {
	o, err := s.Read(ctx, k)
	if err != nil || o.Erased != nil {
		return o, err
	}
	stone := execution.Outcome{Version: o.Version, Key: o.Key, Kind: o.Kind, Attempt: o.Attempt, Number: o.Number,
		Executor: o.Executor, Host: o.Host, RequestDigest: o.RequestDigest,
		Enqueued: o.Enqueued, Started: o.Started, Finished: o.Finished, Erased: &how}
	if o.Fault != nil { // its text may quote the data
		stone.Fault = fault.New(o.Fault.Code, "the data were erased")
	}
	object, err := encode(stone, nil)
	if err == nil {
		_, err = s.objects.Put(ctx, Path(k), bytes.NewReader(object))
	}
	if err != nil {
		return o, fmt.Errorf("erase outcome of %s: %w", k, err)
	}
	return stone, nil
}
