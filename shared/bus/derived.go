package bus

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// derivedStreams hold what follows from what is stored elsewhere, and may lose it: locks
// only save work, and a record says what OUTCOME, the events and the message say. Losing
// them costs work that is done again, and attempts that are not counted.
//
// The server can't change how a stream reaches the disk. So these, and no others, may be
// removed and made again.
var derivedStreams = []string{bucketStream(BucketLocks), bucketStream(BucketState)}

// makeAnew has c, the change of a derived stream from have to want, remove it first.
// That one waits for the disk, as all did once, is no reason not to start.
func makeAnew(js jetstream.JetStream, c *Change, have, want jetstream.StreamConfig) {
	have.PersistMode = want.PersistMode
	rest, err := differences(have, want)
	c.Anew, c.Optional = true, err == nil && len(rest) == 0 && want.PersistMode == jetstream.AsyncPersistMode
	c.apply = func(ctx context.Context) error {
		if err := js.DeleteStream(ctx, want.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		_, err := js.CreateStream(ctx, want)
		return err
	}
}
