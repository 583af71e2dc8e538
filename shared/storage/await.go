package storage

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/fault"
)

// Await is Open for services: while the store can't be reached it says so and
// tries again, as long as ctx lives, instead of letting the process fail and be
// started again in a loop. A URL that can never work is refused at once.
func Await(ctx context.Context, rawURL string) (Store, error) {
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 15*time.Second) {
		store, err := Open(ctx, rawURL)
		if err == nil || fault.IsPermanent(err) {
			return store, err
		}
		zerolog.Ctx(ctx).Warn().Err(err).Dur("retry_in", wait).Msg("waiting for storage")
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
}
