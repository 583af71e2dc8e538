package books

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/sagefleet/sagefleet/shared/delegation"
	"github.com/sagefleet/sagefleet/shared/fault"
)

const (
	// tries is how often the ledger is asked to hold an entry, and tryPatience how long each
	// may take, so that an answer which is lost leaves time for another.
	tries       = 5
	tryPatience = patience / tries
	tryAgain    = 100 * time.Millisecond
)

// enter writes e in the place of an entry that is over, and returns its revision.
func (b *Books) enter(ctx context.Context, e delegation.Entry) (uint64, error) {
	if e.Number > 1 { // there is one already, as a rule
		return b.write(ctx, e, unread, b.replace)
	}
	return b.write(ctx, e, 0, b.replace)
}

// withdraw writes that the run of e, which enter couldn't write down, was not begun. It may
// have been written all the same, or be about to be: then everybody would wait for a run
// that is nowhere. An entry in its place keeps it out, however late it comes.
func (b *Books) withdraw(ctx context.Context, e delegation.Entry, why error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	e.State, e.Updated = delegation.Refused, time.Now().UTC()
	what := fault.Describe(why)
	e.Code, e.Reason = string(what.Code), what.Message
	if _, err := b.write(ctx, e, unread, b.replace); err != nil && fault.CodeOf(err) != CodeDelegated {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("delegation that was not begun is left to the reconciler")
	}
}

// save writes e, whose run was entered at revision, and returns the new revision. What
// others made of the entry stays: they know better.
func (b *Books) save(ctx context.Context, e delegation.Entry, revision uint64) uint64 {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	saved, err := b.write(ctx, e, revision, func(delegation.Entry) error { return delegation.ErrStale })
	if err == nil {
		return saved
	}
	if !errors.Is(err, delegation.ErrStale) {
		zerolog.Ctx(ctx).Warn().Err(err).Str("state", string(e.State)).Msg("delegation left to the reconciler")
	}
	return revision
}

// replace says whether what stands may be replaced by an entry of another run.
func (b *Books) replace(stands delegation.Entry) error {
	if stands.Live(time.Now()) {
		return fault.New(CodeDelegated, "%s was handed over by %s, and may be running until %s", stands.Key, stands.Bridge, stands.Expiry.Format(time.RFC3339))
	}
	return nil
}

// unread says that it isn't known what the ledger holds.
const unread = ^uint64(0)

// write has the ledger hold e instead of what it holds at revision, and returns the new
// one. An error may hide that it was written, so then it is read what stands; what belongs
// to another run is replaced where replace doesn't object.
func (b *Books) write(ctx context.Context, e delegation.Entry, revision uint64, replace func(delegation.Entry) error) (saved uint64, err error) {
	for try := range tries {
		if try > 0 && !errors.Is(err, delegation.ErrStale) && !pause(ctx) {
			break
		}
		if revision == unread {
			var stands delegation.Entry
			if stands, revision, err = b.load(ctx, e); err != nil {
				revision = unread
				continue
			}
			switch mine := sameRun(stands, e); {
			case mine && stands.State == e.State && stands.Updated.Equal(e.Updated):
				return revision, nil // it was written
			case mine && stands.State.Over() && !e.State.Over():
				return 0, delegation.ErrStale // the reconciler knows the end
			case !mine:
				if err := replace(stands); err != nil {
					return 0, err
				}
			}
		}
		if saved, err = b.trySave(ctx, e, revision); err == nil {
			return saved, nil
		}
		revision = unread
	}
	return 0, err
}

func (b *Books) load(ctx context.Context, e delegation.Entry) (delegation.Entry, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, tryPatience)
	defer cancel()
	return b.ledger.Load(ctx, e.Key)
}

func (b *Books) trySave(ctx context.Context, e delegation.Entry, revision uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, tryPatience)
	defer cancel()
	return b.ledger.Save(ctx, e, revision)
}

func sameRun(a, b delegation.Entry) bool {
	return a.Token == b.Token && a.Bridge == b.Bridge && a.Invoked.Equal(b.Invoked)
}

// pause waits a little and reports whether there is time left.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(tryAgain):
		return true
	}
}
