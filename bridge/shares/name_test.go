package shares_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sagefleet/sagefleet/bridge/shares"
	"github.com/sagefleet/sagefleet/shared/execution"
)

// interrupted is a store that calls saved after the first write of a share, whose answer
// is then lost, and loading before the next read of one.
type interrupted struct {
	store
	written, read  bool
	saved, loading func()
}

func (s *interrupted) Save(ctx context.Context, key string, data []byte, revision uint64) (now uint64, err error) {
	now, err = s.store.Save(ctx, key, data, revision)
	if strings.HasPrefix(key, "share.") && !s.written {
		s.written = true
		s.saved()
		return 0, errLost
	}
	return now, err
}

func (s *interrupted) Load(ctx context.Context, key string) (shares.Value, error) {
	if strings.HasPrefix(key, "share.") && s.written && !s.read {
		s.read = true
		s.loading()
	}
	return s.store.Load(ctx, key)
}

// A bridge whose first write was done without its knowledge, and which then stopped until
// its share was closed and removed, uses none of the tickets that were issued to it.
func TestAShareThatWasRemovedDoesNotComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1, limits)
		w.faulty = false
		b := &bridge{w: w, name: "b"}
		lead := shares.NewLead(store{b}, ledger{b}, limits, "lead", timing)
		tend := func() {
			if err := lead.Tend(t.Context()); err != nil {
				t.Error(err)
			}
		}
		s := &interrupted{store: store{b}, saved: tend, loading: func() {
			time.Sleep(2 * timing.Lease)
			tend() // closes it
			tend() // removes it
		}}
		member := shares.NewMember(s, limits, worst, slots, b.name, timing)
		drained := make(chan struct{})
		var running sync.WaitGroup
		running.Go(func() { _ = member.Run(t.Context(), drained) })
		time.Sleep(3 * timing.Lease)
		id, err := member.Reserve(t.Context(), execution.Key{Mailbox: "stock", ID: "e", Generation: 1}, time.Now().Add(timeout))
		if err == nil && w.account(t).Budget.Open[id].Amount == 0 {
			t.Errorf("%s was given for use, of which the account knows nothing", id)
		}
		close(drained)
		running.Wait()
	})
}
