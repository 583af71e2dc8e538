package producer

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sagefleet/sagefleet/shared/execution"
	"github.com/sagefleet/sagefleet/shared/failpoint"
	"github.com/sagefleet/sagefleet/shared/fault"
	"github.com/sagefleet/sagefleet/shared/guard"
	"github.com/sagefleet/sagefleet/shared/intake"
	"github.com/sagefleet/sagefleet/shared/queue"
	"github.com/sagefleet/sagefleet/shared/storage"
)

// Cancelled is what a cancellation found and did.
type Cancelled struct {
	execution.Key
	State execution.State `json:"state"` // that it ended in, whoever ended it
	Was   execution.State `json:"was"`   // that it was found in
	// Already says that it had ended: nothing was changed.
	Already bool `json:"already,omitempty"`
	DryRun  bool `json:"dry_run,omitempty"` // nothing was changed, it would have been
}

// Cancel ends an execution that waits, runs or waits for a retry, unless it has
// ended: then it says how. Work under way is stopped; what a Lambda makes of it
// can't be committed any more. With dryRun it only says what it would do.
func (p *Operator) Cancel(ctx context.Context, mailbox, id, why string, dryRun bool) (Cancelled, error) {
	s, err := p.find(ctx, mailbox, id)
	if err != nil {
		return Cancelled{}, err
	}
	c := Cancelled{Key: s.Key, Was: s.State, State: s.State, Already: s.State.Terminal(), DryRun: dryRun}
	if c.Already && s.State != execution.Cancelled.Terminal() {
		return c, nil
	}
	if !c.Already {
		c.State = execution.Cancelled.Terminal()
		if s.RequestDigest == "" {
			if s.RequestDigest, err = p.digest(ctx, s.Key); err != nil {
				return c, err
			}
		}
	}
	if dryRun {
		return c, nil
	}
	stands, mine, err := p.commit(ctx, s, why)
	if err != nil {
		return c, err
	}
	c.State, c.Already = stands.Kind.Terminal(), !mine
	if stands.Kind != execution.Cancelled {
		return c, nil
	}
	failpoint.Hit(failpoint.Cancelled)
	// Also when it stood already: whoever committed it may have died before this.
	r, revision, err := p.states.Load(ctx, s.Key)
	if err != nil {
		return c, err
	}
	if err := guard.NewEnding(p.states, p.events, p.who).SettleAlone(ctx, r, revision, stands); err != nil {
		return c, err
	}
	failpoint.Hit(failpoint.Recalled)
	return c, p.locks.Break(ctx, s.Key.Path())
}

// find is where the last generation stands. What was stored and is not on the
// queue can be cancelled too: it could still be published.
func (p *Operator) find(ctx context.Context, mailbox, id string) (Status, error) {
	s, err := p.tracker.Status(ctx, mailbox, id)
	if fault.CodeOf(err) == CodeNotPublished {
		return Status{Key: execution.Key{Mailbox: mailbox, ID: id, Generation: 1}, State: execution.Accepted}, nil
	}
	return s, err
}

// digest is what identifies the request of k, which nobody has begun.
func (p *Operator) digest(ctx context.Context, k execution.Key) (string, error) {
	r, err := intake.Request(ctx, p.objects, k.Mailbox, k.ID)
	if err == nil {
		return r.Digest(), nil
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return "", err
	}
	waiting, found, err := queue.Find(ctx, p.js, k)
	if err != nil {
		return "", err
	}
	if !found {
		return "", p.tracker.unknown(ctx, k.Mailbox, k.ID)
	}
	if err := execution.CheckVersion("the waiting request", waiting.Request.Version, execution.RequestVersion); err != nil {
		return "", err
	}
	return waiting.Request.Digest(), nil
}

// commit makes CANCELLED the outcome of s unless one stands, and returns the one
// that does.
func (p *Operator) commit(ctx context.Context, s Status, why string) (stands execution.Outcome, mine bool, err error) {
	o := execution.Outcome{
		Key: s.Key, Kind: execution.Cancelled, Attempt: execution.NewAttemptID(0), Number: s.Attempts,
		Executor: execution.ByOperator, Host: p.who, RequestDigest: s.RequestDigest,
		Fault:    fault.New(CodeCancelled, "%s", strings.TrimSuffix("cancelled by "+p.who+": "+why, ": ")),
		Enqueued: s.Enqueued, Started: s.Started, Finished: time.Now().UTC(),
	}
	stands, err = p.outcomes.Commit(ctx, o, nil)
	return stands, err == nil && stands.Attempt == o.Attempt, err
}
